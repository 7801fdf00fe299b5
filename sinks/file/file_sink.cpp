#include "sinks/file/file_sink.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "sinks/event_json.hpp"

namespace sonde {
namespace {

constexpr mode_t directory_mode = 0750;
constexpr mode_t file_mode = 0640;
constexpr std::size_t line_capacity_bytes = 16 * 1024;  // of the longest line, all of it escaped, more than that

Error cannot_write(const std::string& path, const std::string& why) {
    return fail("cannot write to " + path + ": " + why, "choose another directory with --events DIR");
}
Error cannot_write(const std::string& path, int error) {
    return cannot_write(path, std::generic_category().message(error));
}

// What open() made so far; removed again unless kept.
class Made {
public:
    Made() = default;
    Made(const Made&) = delete;
    Made& operator=(const Made&) = delete;
    ~Made() {
        if (!file_.empty()) ::unlink(file_.c_str());
        for (auto i = directories_.rbegin(); i != directories_.rend(); ++i) ::rmdir(i->c_str());
    }
    void directory(std::string path) { directories_.push_back(std::move(path)); }
    void file(std::string path) { file_ = std::move(path); }
    void keep() { directories_.clear(), file_.clear(); }

private:
    std::vector<std::string> directories_;
    std::string file_;
};

Status make_directories(const std::string& directory, Made& made) {
    for (std::size_t end = 0; end != std::string::npos;) {
        end = directory.find('/', end + 1);
        const auto path = directory.substr(0, end);
        if (::mkdir(path.c_str(), directory_mode) == 0) {
            made.directory(path);
            continue;
        }
        const int error = errno;
        struct stat status {};
        // mkdir reports other errors than EEXIST for a directory that exists, too (EROFS, EACCES on its parent).
        if (::stat(path.c_str(), &status) != 0) return cannot_write(directory, error);
        if (!S_ISDIR(status.st_mode)) return cannot_write(directory, path + " is not a directory");
    }
    return done();
}

Result<UniqueFd> open_file(const std::string& path, Made& made) {
    // Not O_APPEND: the writer's writes carry their offsets. O_RDWR: the last line is read. O_NONBLOCK: if the path
    // is a FIFO or a device, open must not hang; it means nothing for a regular file.
    constexpr int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    UniqueFd file(::open(path.c_str(), flags));
    if (!file && errno == ENOENT) {
        file.reset(::open(path.c_str(), flags | O_CREAT | O_EXCL, file_mode));
        if (file) made.file(path);
    }
    if (!file) return cannot_write(path, errno);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return cannot_write(path, errno);
    if (!S_ISREG(status.st_mode)) return cannot_write(path, "it is not a regular file");
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return cannot_write(path, "another process writes to it");
        // File systems without locks (ENOLCK, EOPNOTSUPP) are no reason to refuse.
    }
    return file;
}

// The file's size without a last line that is torn off, to which the file is cut. nullopt: errno says why.
std::optional<off_t> repair_tail(int file) {
    struct stat status {};
    if (::fstat(file, &status) != 0) return std::nullopt;
    std::array<char, 16 * 1024> chunk;
    off_t keep = status.st_size;
    while (keep > 0) {
        const auto size = std::min(static_cast<std::size_t>(keep), chunk.size());
        const auto start = keep - static_cast<off_t>(size);
        const auto got = ::pread(file, chunk.data(), size, start);
        if (got < 0 && errno == EINTR) continue;
        if (got != static_cast<ssize_t>(size)) {
            if (got >= 0) errno = EIO;
            return std::nullopt;
        }
        const auto* newline = static_cast<const char*>(::memrchr(chunk.data(), '\n', size));
        keep = newline == nullptr ? start : start + (newline - chunk.data()) + 1;
        if (newline != nullptr) break;
    }
    if (keep < status.st_size && ::ftruncate(file, keep) != 0) return std::nullopt;
    return keep;
}

}  // namespace

Result<std::unique_ptr<FileSink>> FileSink::open(const std::string& directory) {
    if (directory.empty()) return fail("no directory for events", "name one with --events DIR", ErrorKind::usage);
    Made made;
    if (auto status = make_directories(directory, made); !status) return status.error();
    const auto path = directory + (directory.back() == '/' ? "" : "/") + "transactions.jsonl";
    auto file = open_file(path, made);
    if (!file) return file.error();
    const auto size = repair_tail(file->get());
    if (!size) return cannot_write(path, errno);
    // Opened anew, not duplicated: the kernel takes a ring down, with its registered file, some time after the process
    // has ended. A lock on the same open file would live as long, and refuse the agent that is started next.
    const auto same_file = "/proc/self/fd/" + std::to_string(file->get());
    UniqueFd writer_file(::open(same_file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!writer_file) return cannot_write(path, errno);
    auto writer = make_writer(std::move(writer_file), static_cast<std::uint64_t>(*size));
    made.keep();
    return std::unique_ptr<FileSink>(new FileSink(path, std::move(*file), std::move(writer)));
}

FileSink::FileSink(std::string path, UniqueFd file, std::unique_ptr<FileWriter> writer)
    : path_(std::move(path)), file_(std::move(file)), writer_(std::move(writer)) {
    line_.reserve(line_capacity_bytes);
}

FileSink::~FileSink() {
    const bool whole = static_cast<bool>(writer_->flush());
    writer_.reset();
    // A full disk may have cut the last line: readers need not wait for the next start to be rid of it.
    if (!whole) repair_tail(file_.get());
}

void FileSink::write(const Record& record) {
    line_.clear();
    append_event_json(line_, record);
    ++records_;
    if (!writer_->append(line_)) ++failed_records_;
}

Status FileSink::flush() {
    const auto status = writer_->flush();
    if (status) return done();
    return fail(
        "cannot write to " + path_ + ": " + status.error().what,
        "records wait in memory and are then dropped; free space, or choose another directory with --events DIR");
}

SinkStats FileSink::stats() const {
    const auto writer = writer_->stats();
    return {
        .records = records_, .bytes = writer.written_bytes, .failed_records = failed_records_, .errors = writer.errors};
}

}  // namespace sonde
