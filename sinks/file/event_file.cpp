#include "sinks/file/event_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace sonde {
namespace {

// Writes of a process that was killed end within a disk's time-out, if not at once.
constexpr auto earlier_writes_limit = std::chrono::seconds(10);
constexpr std::int64_t reserved_min_bytes = 1 << 20;  // more than any file system rounds up
constexpr auto earlier_writes_poll = std::chrono::milliseconds(5);

Error cannot_write(const std::string& path, const std::string& why) {
    return fail("cannot write to " + path + ": " + why, "choose another directory with --events DIR");
}
Error cannot_write(const std::string& path, int error) {
    return cannot_write(path, std::generic_category().message(error));
}

// What was made so far; removed again unless kept.
class Made {
public:
    explicit Made(FileIo& io) : io_(io) {}
    Made(const Made&) = delete;
    Made& operator=(const Made&) = delete;
    ~Made() {
        if (!file_.empty()) io_.unlink(file_);
        for (auto i = directories_.rbegin(); i != directories_.rend(); ++i) ::rmdir(i->c_str());
    }
    void directory(std::string path) { directories_.push_back(std::move(path)); }
    void file(std::string path) { file_ = std::move(path); }
    void keep() { directories_.clear(), file_.clear(); }

private:
    FileIo& io_;
    std::vector<std::string> directories_;
    std::string file_;
};

Status make_directories(FileIo& io, const std::string& directory, mode_t mode, Made& made) {
    for (std::size_t end = 0; end != std::string::npos;) {
        end = directory.find('/', end + 1);
        const auto path = directory.substr(0, end);
        const int rc = io.mkdir(path, mode);
        if (rc == 0) {
            made.directory(path);
            continue;
        }
        struct stat status {};
        // mkdir reports other errors than EEXIST for a directory that exists, too (EROFS, EACCES on its parent).
        if (io.stat(path, status) != 0) return cannot_write(directory, -rc);
        if (!S_ISDIR(status.st_mode)) return cannot_write(directory, path + " is not a directory");
    }
    return done();
}

Result<UniqueFd> open_locked(FileIo& io, const std::string& path, const EventFileOptions& options, Made& made) {
    // O_RDWR: the last line is read. O_NONBLOCK: if the path is a FIFO or a device, open must not hang; it means
    // nothing for a regular file.
    constexpr int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = io.open(path, flags, 0);
    if (fd == -ENOENT) {
        fd = io.open(path, flags | O_CREAT | O_EXCL, options.file_mode);
        if (fd >= 0) made.file(path);
    }
    if (fd < 0) return cannot_write(path, -fd);
    UniqueFd file(fd);
    struct stat status {};
    if (const int rc = io.fstat(fd, status); rc < 0) return cannot_write(path, -rc);
    if (!S_ISREG(status.st_mode)) return cannot_write(path, "it is not a regular file");
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return cannot_write(path, "another process writes to it");
    // File systems without locks (ENOLCK, EOPNOTSUPP) are no reason to refuse.
    if (options.owner || options.group) {
        constexpr auto unchanged = static_cast<uid_t>(-1);
        if (const int rc = io.chown(fd, options.owner.value_or(unchanged), options.group.value_or(unchanged)); rc < 0)
            return cannot_write(path, "its owner cannot be set: " + std::generic_category().message(-rc));
    }
    return file;
}

// Takes the lock that an earlier process's writes hold while they are under way. 0 or an errno.
int wait_for_earlier_writes(int fd) {
    const auto deadline = std::chrono::steady_clock::now() + earlier_writes_limit;
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    while (::fcntl(fd, F_OFD_SETLK, &whole) != 0) {
        if (errno != EAGAIN && errno != EACCES) return 0;  // no locks here
        if (std::chrono::steady_clock::now() >= deadline) return ETXTBSY;
        std::this_thread::sleep_for(earlier_writes_poll);
    }
    return 0;
}

}  // namespace

std::int64_t whole_lines_bytes(FileIo& io, int fd) {
    struct stat status {};
    if (const int rc = io.fstat(fd, status); rc < 0) return rc;
    std::array<char, 16 * 1024> chunk;
    auto end = static_cast<std::uint64_t>(status.st_size);
    while (end > 0) {
        const auto size = std::min<std::uint64_t>(end, chunk.size());
        const auto start = end - size;
        const auto got = io.pread(fd, {chunk.data(), static_cast<std::size_t>(size)}, start);
        if (got != static_cast<ssize_t>(size)) return got < 0 ? got : -EIO;
        const auto* newline = static_cast<const char*>(::memrchr(chunk.data(), '\n', static_cast<std::size_t>(size)));
        if (newline != nullptr) return static_cast<std::int64_t>(start) + (newline - chunk.data()) + 1;
        end = start;
    }
    return 0;
}

std::int64_t cut_torn_line(FileIo& io, int fd) {
    const auto keep = whole_lines_bytes(io, fd);
    if (keep < 0) return keep;
    struct stat status {};
    if (const int rc = io.fstat(fd, status); rc < 0) return rc;
    // Also where the size stays, if a crashed process had reserved blocks beyond it: they are given back.
    constexpr std::int64_t stat_block_bytes = 512;
    const bool reserved = status.st_blocks * stat_block_bytes >= status.st_size + reserved_min_bytes;
    if (keep == status.st_size && !reserved) return keep;  // truncation counts as a change of the file
    const int rc = io.truncate(fd, static_cast<std::uint64_t>(keep));
    return rc < 0 ? rc : keep;
}

Result<EventFile> open_event_file(FileIo& io, const std::string& path, const EventFileOptions& options, bool fresh) {
    Made made(io);
    const auto directory = path.substr(0, path.find_last_of('/'));
    if (auto status = make_directories(io, directory, options.directory_mode, made); !status) return status.error();
    auto locked = open_locked(io, path, options, made);
    if (!locked) return locked.error();
    EventFile file;
    file.lock = std::move(*locked);

    const auto same_file = "/proc/self/fd/" + std::to_string(file.lock.get());
    const int buffered = io.open(same_file, O_WRONLY | O_CLOEXEC, 0);
    if (buffered < 0) return cannot_write(path, -buffered);
    file.buffered.reset(buffered);
    if (wait_for_earlier_writes(buffered) != 0)
        return cannot_write(path, "writes of a process that has ended are still under way");
    if (options.direct)
        if (const int direct = io.open(same_file, O_WRONLY | O_CLOEXEC | O_DIRECT, 0); direct >= 0)
            file.direct.reset(direct);

    if (fresh)
        if (const int rc = io.truncate(file.lock.get(), 0); rc < 0) return cannot_write(path, -rc);
    struct stat status {};
    if (const int rc = io.fstat(file.lock.get(), status); rc < 0) return cannot_write(path, -rc);
    const auto kept = cut_torn_line(io, file.lock.get());
    if (kept < 0) return cannot_write(path, static_cast<int>(-kept));
    file.bytes = static_cast<std::uint64_t>(kept);
    file.cut_bytes = static_cast<std::uint64_t>(status.st_size) - file.bytes;
    file.device = status.st_dev;
    file.inode = status.st_ino;
    file.modified_s = status.st_mtime;
    made.keep();
    return file;
}

FilePlace find_place(FileIo& io, const std::string& path, const EventFile& file) {
    struct stat there {};
    const int rc = io.stat(path, there);
    if (rc == 0 && there.st_dev == file.device && there.st_ino == file.inode) return FilePlace::here;
    if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR) return FilePlace::unknown;
    struct stat ours {};
    if (io.fstat(file.lock.get(), ours) != 0) return FilePlace::unknown;
    return ours.st_nlink == 0 ? FilePlace::removed : FilePlace::moved;
}

}  // namespace sonde
