#pragma once

#include <memory>

#include "sinks/file/writer.hpp"

namespace sonde {

// One buffer, written with pwrite(2).
class PwriteWriter final : public FileWriter {
public:
    PwriteWriter(UniqueFd fd, std::uint64_t offset);
    ~PwriteWriter() override;

    [[nodiscard]] std::string_view name() const override { return "pwrite"; }
    Status append(std::span<const char> bytes) override;
    Status flush() override;
    [[nodiscard]] WriterStats stats() const override { return stats_; }

private:
    bool write_out();

    UniqueFd fd_;
    std::uint64_t offset_;  // in the file, of buffer_[begin_]
    std::unique_ptr<char[]> buffer_;
    std::size_t begin_ = 0;  // [begin_, end_) is not written yet
    std::size_t end_ = 0;
    int last_errno_ = 0;  // of the last write; 0: it succeeded
    WriterStats stats_;
};

}  // namespace sonde
