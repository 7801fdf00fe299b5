#pragma once

#include <vector>

#include "sinks/file/writer.hpp"

namespace sonde {

// The plain way, where io_uring is forbidden.
class PwriteWriter final : public FileWriter {
public:
    PwriteWriter(UniqueFd file, std::uint64_t offset);
    [[nodiscard]] std::string_view name() const override { return "pwrite"; }
    Status append(std::span<const char> bytes) override;
    Status flush() override;
    [[nodiscard]] std::uint64_t written_bytes() const override { return written_bytes_; }

private:
    UniqueFd file_;
    std::uint64_t offset_;
    std::uint64_t written_bytes_ = 0;
    std::vector<char> buffer_;
};

}  // namespace sonde
