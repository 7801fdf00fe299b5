#pragma once

#include <liburing.h>

#include <array>
#include <memory>

#include "sinks/file/writer.hpp"

namespace sonde {

// Up to four writes in flight through io_uring, from registered buffers to a registered file. Every write has its
// own offset, so they may complete in any order.
//
//   state      the buffer holds                          leaves it by
//   free       nothing                                   append() → filling
//   filling    appended bytes; at most one buffer        full, or flush() with none held → in_flight
//   in_flight  bytes that the kernel reads               completion → free, in_flight (short, interrupted), held
//   held       bytes whose write failed                  flush() → in_flight
class UringWriter final : public FileWriter {
public:
    // Takes `fd` over on success. nullptr where io_uring is not to be had: `fd` is as before.
    static std::unique_ptr<UringWriter> create(UniqueFd& fd, std::uint64_t offset);
    ~UringWriter() override;
    UringWriter(const UringWriter&) = delete;
    UringWriter& operator=(const UringWriter&) = delete;

    [[nodiscard]] std::string_view name() const override { return "io_uring"; }
    Status append(std::span<const char> bytes) override;
    Status flush() override;
    [[nodiscard]] WriterStats stats() const override { return stats_; }

private:
    static constexpr std::size_t buffer_count = 4;
    enum class State : unsigned char { free, filling, in_flight, held };
    struct Buffer {
        State state = State::free;
        unsigned retries = 0;      // in a row without progress
        std::uint64_t offset = 0;  // in the file, of the buffer's first byte
        std::size_t size = 0;
        std::size_t written = 0;  // bytes that the kernel has taken already
    };

    explicit UringWriter(std::uint64_t offset);
    bool start(int fd);
    Buffer* room_for(std::size_t size);
    void write_all(State state);
    void submit(Buffer& buffer);
    bool reap(bool wait);
    void complete(Buffer& buffer, int result);
    void hold(Buffer& buffer, int error);
    [[nodiscard]] char* bytes_of(const Buffer& buffer) const;
    [[nodiscard]] Buffer* find(State state);

    io_uring ring_{};
    bool has_ring_ = false;
    int ring_errno_ = 0;  // the ring itself failed: nothing more can be written through it
    UniqueFd fd_;
    std::uint64_t offset_;  // in the file, of the next byte that is appended
    std::unique_ptr<char[]> bytes_;
    std::array<Buffer, buffer_count> buffers_;
    int last_errno_ = 0;  // of the last write that failed
    WriterStats stats_;
};

}  // namespace sonde
