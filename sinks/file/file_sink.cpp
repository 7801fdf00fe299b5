#include "sinks/file/file_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "sinks/event_json.hpp"

namespace sonde {
namespace {

constexpr const char* file_name = "/transactions.jsonl";
constexpr const char* hint = "choose another directory with --events DIR";

// Missing parents first; what was made is listed, so that a failure can take it back.
int make_directories(const std::string& path, std::vector<std::string>& made) {
    for (std::size_t at = 1; at <= path.size(); ++at) {
        if (at != path.size() && path[at] != '/') continue;
        const auto part = path.substr(0, at);
        if (::mkdir(part.c_str(), 0750) == 0)
            made.push_back(part);
        else if (errno != EEXIST)
            return errno;
    }
    return 0;
}

// Where the last whole line ends.
Result<std::uint64_t> end_of_lines(int fd, std::uint64_t size) {
    std::array<char, 4096> block{};
    while (size > 0) {
        const auto length = std::min<std::uint64_t>(size, block.size());
        const auto n = ::pread(fd, block.data(), length, static_cast<off_t>(size - length));
        if (n != static_cast<ssize_t>(length)) return fail(std::string("cannot read it: ") + std::strerror(errno));
        for (auto i = length; i > 0; --i)
            if (block[i - 1] == '\n') return size - (length - i);
        size -= length;
    }
    return size;
}

}  // namespace

Result<std::unique_ptr<FileSink>> FileSink::open(const std::string& directory) {
    std::vector<std::string> made;
    const auto path = directory + file_name;
    const auto refuse = [&](const std::string& why) {
        for (auto part = made.rbegin(); part != made.rend(); ++part) ::rmdir(part->c_str());
        return fail("cannot write to " + directory + ": " + why, hint);
    };
    if (const int error = make_directories(directory, made); error != 0) return refuse(std::strerror(error));
    UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
    if (!file) return refuse(std::strerror(errno));
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return refuse("no regular file at " + path);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const auto end = end_of_lines(file.get(), size);
    if (!end) return refuse(end.error().what);
    if (*end != size && ::ftruncate(file.get(), static_cast<off_t>(*end)) != 0) return refuse(std::strerror(errno));
    return std::unique_ptr<FileSink>(new FileSink(path, make_writer(std::move(file), *end)));
}

void FileSink::write(const Record& record) {
    line_.clear();
    append_event_json(line_, record);
    ++stats_.records;
    ++records_since_flush_;
    const auto appended = settle(writer_->append(line_));
    static_cast<void>(appended);  // counted; the next flush() says it
}

Status FileSink::flush() {
    auto outcome = settle(writer_->flush());
    if (outcome) records_since_flush_ = 0;
    return outcome;
}

// Which of the buffered records a failed write held is not known: all of them count as failed.
Status FileSink::settle(const Status& outcome) {
    if (outcome) return done();
    ++stats_.errors;
    stats_.failed_records += std::exchange(records_since_flush_, 0);
    return fail(path_ + ": " + outcome.error().what, outcome.error().hint);
}

SinkStats FileSink::stats() const {
    auto stats = stats_;
    stats.bytes = writer_->written_bytes();
    return stats;
}

}  // namespace sonde
