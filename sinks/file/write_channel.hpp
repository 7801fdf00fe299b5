#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sinks/file/file_io.hpp"

namespace sonde {

// What a file writer asks of the kernel: one write and one sync at a time, which may overlap. One thread at a time.
class WriteChannel {
public:
    enum class Operation : unsigned char { write, sync };
    // Which of the two open files of the same inode a write goes through.
    enum class Route : unsigned char { buffered, direct };

    virtual ~WriteChannel() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;  // "io_uring", "pwrite"

    // The files that operations go to from now on; no operation is under way. `direct` is opened with O_DIRECT, or -1.
    // The channel does not own them. 0 or -errno.
    virtual int attach(int buffered, int direct) = 0;

    // Start an operation; the one of the same kind before it has been taken. 0 or -errno: then nothing was started.
    // `bytes` stay as they are until the completion is taken.
    virtual int start_write(Route route, std::span<const char> bytes, std::uint64_t offset) = 0;
    virtual int start_sync() = 0;

    // The result of an operation that was started, once: bytes written or 0 (sync), or -errno. With `wait` it blocks
    // until there is one; without, nullopt while it is under way.
    virtual std::optional<int> take(Operation operation, bool wait) = 0;
};

// Completes each operation before it returns.
class PwriteChannel final : public WriteChannel {
public:
    explicit PwriteChannel(FileIo& io) : io_(io) {}
    [[nodiscard]] std::string_view name() const override { return "pwrite"; }
    int attach(int buffered, int direct) override;
    int start_write(Route route, std::span<const char> bytes, std::uint64_t offset) override;
    int start_sync() override;
    std::optional<int> take(Operation operation, bool wait) override;

private:
    FileIo& io_;
    int buffered_ = -1;
    int direct_ = -1;
    int write_result_ = 0;
    int sync_result_ = 0;
};

// The channel over io_uring with `memory` registered, or the one over pwrite where io_uring is not to be had
// (seccomp, kernel.io_uring_disabled, no descriptors, RLIMIT_MEMLOCK before Linux 5.12). It is found out by trying.
// Writes lie within `memory`. `why` (may be null) becomes the reason why there is no io_uring.
std::unique_ptr<WriteChannel> make_channel(FileIo& io, std::span<char> memory, std::string* why = nullptr);

}  // namespace sonde
