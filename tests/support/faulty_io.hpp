#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "sinks/file/write_channel.hpp"

namespace sonde {

// System calls that fail when a test wants them to: each hook gets the call's main argument and returns 0 (make the
// call) or -errno (do not).
class FaultyIo final : public FileIo {
public:
    using PathFault = std::function<int(const std::string& path)>;

    PathFault on_open, on_mkdir, on_stat, on_rename, on_unlink;
    std::function<int()> on_truncate, on_preallocate, on_sync, on_chown, on_pread;
    // The number of bytes that may be written now (less: a short write), or -errno.
    std::function<ssize_t(std::size_t size)> on_pwrite;
    std::size_t preallocations = 0;

    int open(const std::string& path, int flags, mode_t mode) override {
        if (const int rc = ask(on_open, path); rc < 0) return rc;
        return FileIo::open(path, flags, mode);
    }
    int mkdir(const std::string& path, mode_t mode) override {
        if (const int rc = ask(on_mkdir, path); rc < 0) return rc;
        return FileIo::mkdir(path, mode);
    }
    int stat(const std::string& path, struct stat& status) override {
        if (const int rc = ask(on_stat, path); rc < 0) return rc;
        return FileIo::stat(path, status);
    }
    int rename(const std::string& from, const std::string& to) override {
        if (const int rc = ask(on_rename, from); rc < 0) return rc;
        return FileIo::rename(from, to);
    }
    int unlink(const std::string& path) override {
        if (const int rc = ask(on_unlink, path); rc < 0) return rc;
        return FileIo::unlink(path);
    }
    int truncate(int fd, std::uint64_t size) override {
        if (const int rc = ask(on_truncate); rc < 0) return rc;
        return FileIo::truncate(fd, size);
    }
    int preallocate(int fd, std::uint64_t offset, std::uint64_t size) override {
        ++preallocations;
        if (const int rc = ask(on_preallocate); rc < 0) return rc;
        return FileIo::preallocate(fd, offset, size);
    }
    int sync_data(int fd) override {
        if (const int rc = ask(on_sync); rc < 0) return rc;
        return FileIo::sync_data(fd);
    }
    int chown(int fd, uid_t owner, gid_t group) override {
        if (const int rc = ask(on_chown); rc < 0) return rc;
        return FileIo::chown(fd, owner, group);
    }
    ssize_t pwrite(int fd, std::span<const char> bytes, std::uint64_t offset) override {
        const auto allowed = on_pwrite ? on_pwrite(bytes.size()) : static_cast<ssize_t>(bytes.size());
        if (allowed <= 0) return allowed;
        return FileIo::pwrite(fd, bytes.first(std::min(bytes.size(), static_cast<std::size_t>(allowed))), offset);
    }
    ssize_t pread(int fd, std::span<char> bytes, std::uint64_t offset) override {
        if (const int rc = ask(on_pread); rc < 0) return rc;
        return FileIo::pread(fd, bytes, offset);
    }

private:
    template <typename Hook, typename... Arguments>
    static int ask(const Hook& hook, const Arguments&... arguments) {
        return hook ? hook(arguments...) : 0;
    }
};

// Between a writer and its channel: asks the hooks of a FaultyIo about writes and syncs that go past FileIo (io_uring).
class FaultyChannel final : public WriteChannel {
public:
    FaultyChannel(std::unique_ptr<WriteChannel> channel, FaultyIo& faults)
        : channel_(std::move(channel)), faults_(faults) {}

    [[nodiscard]] std::string_view name() const override { return channel_->name(); }
    int attach(int buffered, int direct) override { return channel_->attach(buffered, direct); }
    int start_write(Route route, std::span<const char> bytes, std::uint64_t offset) override {
        const auto allowed = faults_.on_pwrite ? faults_.on_pwrite(bytes.size()) : static_cast<ssize_t>(bytes.size());
        failed_write_ = allowed <= 0 ? std::optional(static_cast<int>(allowed)) : std::nullopt;
        if (failed_write_) return 0;
        return channel_->start_write(route, bytes.first(std::min(bytes.size(), static_cast<std::size_t>(allowed))),
                                     offset);
    }
    int start_sync() override {
        const int rc = faults_.on_sync ? faults_.on_sync() : 0;
        failed_sync_ = rc < 0 ? std::optional(rc) : std::nullopt;
        return failed_sync_ ? 0 : channel_->start_sync();
    }
    std::optional<int> take(Operation operation, bool wait) override {
        auto& failed = operation == Operation::write ? failed_write_ : failed_sync_;
        if (failed) return std::exchange(failed, std::nullopt);
        return channel_->take(operation, wait);
    }

private:
    std::unique_ptr<WriteChannel> channel_;
    FaultyIo& faults_;
    std::optional<int> failed_write_;
    std::optional<int> failed_sync_;
};

}  // namespace sonde
