#pragma once

#include <liburing.h>

#include <array>
#include <memory>
#include <string>

#include "sinks/file/writer.hpp"

namespace sonde {

// Writes through io_uring with registered buffers and a registered file: while one buffer fills, up to three others
// are on their way. Each write carries its own offset, so completions may come in any order.
//
//   free ──append──▶ filling ──full or flush──▶ in flight ──completed──▶ free
class UringWriter final : public FileWriter {
public:
    // Null where io_uring is not to be had: then use the plain writer.
    static std::unique_ptr<UringWriter> make(UniqueFd& file, std::uint64_t offset);
    ~UringWriter() override;
    UringWriter(const UringWriter&) = delete;
    UringWriter& operator=(const UringWriter&) = delete;

    [[nodiscard]] std::string_view name() const override { return "io_uring"; }
    Status append(std::span<const char> bytes) override;
    Status flush() override;
    [[nodiscard]] std::uint64_t written_bytes() const override { return written_bytes_; }

private:
    static constexpr std::size_t buffer_count = 4;
    static constexpr std::size_t buffer_bytes = 256 * 1024;
    struct Buffer {
        std::unique_ptr<char[]> bytes;
        std::size_t size = 0;      // bytes in it
        std::size_t done = 0;      // of them, written: a write may be short
        std::uint64_t offset = 0;  // of its first byte in the file
        bool in_flight = false;
    };

    UringWriter() = default;
    void submit(std::size_t index);
    void wait_one();
    Status take_error();

    UniqueFd file_;
    io_uring ring_{};
    bool ring_ready_ = false;
    std::array<Buffer, buffer_count> buffers_;
    std::size_t filling_ = 0;
    std::size_t in_flight_ = 0;
    std::uint64_t offset_ = 0;
    std::uint64_t written_bytes_ = 0;
    int error_ = 0;
};

}  // namespace sonde
