#include "sinks/file/file_io.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace sonde {
namespace {

template <typename Call>
auto repeated(Call call) {
    for (;;) {
        const auto result = call();
        if (result >= 0) return result;
        if (errno != EINTR) return static_cast<decltype(result)>(-errno);
    }
}

}  // namespace

FileIo& FileIo::system() {
    static FileIo io;
    return io;
}

int FileIo::open(const std::string& path, int flags, mode_t mode) {
    return repeated([&] { return ::open(path.c_str(), flags, mode); });
}
int FileIo::mkdir(const std::string& path, mode_t mode) {
    return repeated([&] { return ::mkdir(path.c_str(), mode); });
}
int FileIo::stat(const std::string& path, struct stat& status) {
    return repeated([&] { return ::stat(path.c_str(), &status); });
}
int FileIo::fstat(int fd, struct stat& status) {
    return repeated([&] { return ::fstat(fd, &status); });
}
int FileIo::rename(const std::string& from, const std::string& to) {
    return repeated([&] { return ::rename(from.c_str(), to.c_str()); });
}
int FileIo::unlink(const std::string& path) {
    return repeated([&] { return ::unlink(path.c_str()); });
}
int FileIo::truncate(int fd, std::uint64_t size) {
    return repeated([&] { return ::ftruncate(fd, static_cast<off_t>(size)); });
}
int FileIo::preallocate(int fd, std::uint64_t offset, std::uint64_t size) {
    return repeated(
        [&] { return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(size)); });
}
int FileIo::sync_data(int fd) {
    return repeated([&] { return ::fdatasync(fd); });
}
int FileIo::chown(int fd, uid_t owner, gid_t group) {
    return repeated([&] { return ::fchown(fd, owner, group); });
}
ssize_t FileIo::pwrite(int fd, std::span<const char> bytes, std::uint64_t offset) {
    return repeated([&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
}
ssize_t FileIo::pread(int fd, std::span<char> bytes, std::uint64_t offset) {
    return repeated([&] { return ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
}

}  // namespace sonde
