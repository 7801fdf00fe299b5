#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>

namespace sonde {

// The system calls of the file sink, one to one, so that a test can make each of them fail
// (tests/support/faulty_io.hpp). Each returns what the call returns, or -errno. Any thread.
class FileIo {
public:
    // The kernel's. Lives as long as the process.
    static FileIo& system();

    virtual ~FileIo() = default;
    virtual int open(const std::string& path, int flags, mode_t mode);
    virtual int mkdir(const std::string& path, mode_t mode);
    virtual int stat(const std::string& path, struct stat& status);
    virtual int fstat(int fd, struct stat& status);
    virtual int rename(const std::string& from, const std::string& to);
    virtual int unlink(const std::string& path);
    virtual int truncate(int fd, std::uint64_t size);
    // Blocks beyond the end of the file, whose size stays (FALLOC_FL_KEEP_SIZE).
    virtual int preallocate(int fd, std::uint64_t offset, std::uint64_t size);
    virtual int sync_data(int fd);
    virtual int chown(int fd, uid_t owner, gid_t group);
    virtual ssize_t pwrite(int fd, std::span<const char> bytes, std::uint64_t offset);
    virtual ssize_t pread(int fd, std::span<char> bytes, std::uint64_t offset);
};

}  // namespace sonde
