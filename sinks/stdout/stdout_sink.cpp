#include "sinks/stdout/stdout_sink.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "sinks/event_json.hpp"
#include "sinks/stdout/readable_line.hpp"

namespace sonde {
namespace {

constexpr std::size_t write_at_bytes = 64U << 10U;  // a pipe's size: longer writes come in parts anyway

}  // namespace

StdoutSink::StdoutSink(const StdoutSinkOptions& options) : options_(options) {
    const bool terminal = ::isatty(options_.fd) == 1;
    using Format = StdoutSinkOptions::Format;
    using Colour = StdoutSinkOptions::Colour;
    readable_ = options_.format == Format::readable || (options_.format == Format::automatic && terminal);
    colour_ = options_.colour == Colour::always || (options_.colour == Colour::automatic && terminal);
    buffer_.reserve(buffer_bytes);
    line_.reserve(16U << 10U);
    open_target();
    if (readable_) append_readable_header(buffer_, colour_);
}

// Standard output is shared with whoever started sonde: O_NONBLOCK on it would surprise them. Pipes and terminals are
// opened anew; where that is not allowed (a terminal of another user), poll() and short writes have to do.
void StdoutSink::open_target() {
    struct stat status {};
    if (::fstat(options_.fd, &status) != 0) return;  // the write will tell
    if (S_ISSOCK(status.st_mode)) {
        target_ = Target::socket;
    } else if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
        target_ = Target::pollable;
        const auto same = "/proc/self/fd/" + std::to_string(options_.fd);
        own_.reset(::open(same.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    }
}

void StdoutSink::write(const Record& record) {
    ++stats_.records;
    if (broken_) {
        ++stats_.failed_records;
        return;
    }
    line_.clear();
    if (readable_) {
        append_readable_line(line_, record, colour_);
    } else {
        append_event_json(line_, record);
    }
    // While a reader takes nothing only flush() waits for it: not every record pays for a wait that is likely in vain.
    if (errno_ == 0 && buffer_.size() - begin_ + line_.size() > write_at_bytes)
        drain(std::chrono::milliseconds(options_.stall_ms));
    if (broken_ || buffer_.size() - begin_ + line_.size() > buffer_bytes) {
        ++stats_.failed_records;
        return;
    }
    buffer_ += line_;
}

Status StdoutSink::flush() {
    if (!broken_ && drain(std::chrono::milliseconds(options_.stall_ms))) return done();
    if (errno_ == EPIPE) return fail("cannot write to standard output: its reader has gone");
    if (errno_ == ETIMEDOUT)
        return fail("standard output takes nothing",
                    "records wait in memory and are then dropped; is its reader stopped?");
    return fail("cannot write to standard output: " + std::generic_category().message(errno_));
}

// True: all is written. A wait without any progress ends after `patience`.
bool StdoutSink::drain(std::chrono::milliseconds patience) {
    errno_ = 0;
    while (begin_ < buffer_.size() && errno_ == 0) {
        const auto written = write_some(std::string_view(buffer_).substr(begin_));
        if (written > 0) {
            begin_ += static_cast<std::size_t>(written);
            stats_.bytes += static_cast<std::uint64_t>(written);
            continue;
        }
        const int error = written < 0 ? errno : EIO;
        if (error == EINTR) continue;
        if (error != EAGAIN) {
            errno_ = error;
        } else if (!wait_for_room(patience)) {
            errno_ = ETIMEDOUT;
        }
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    if (errno_ == 0) return true;
    ++stats_.errors;
    if (errno_ == EPIPE || errno_ == EBADF) give_up();
    return false;
}

ssize_t StdoutSink::write_some(std::string_view bytes) const {
    if (target_ == Target::file) return ::write(options_.fd, bytes.data(), bytes.size());
    if (target_ == Target::socket) return ::send(options_.fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (own_) return ::write(own_.get(), bytes.data(), bytes.size());
    if (!wait_for_room(std::chrono::milliseconds(0))) {
        errno = EAGAIN;
        return -1;
    }
    return ::write(options_.fd, bytes.data(),
                   std::min<std::size_t>(bytes.size(), PIPE_BUF));  // pipe(7): does not block
}

bool StdoutSink::wait_for_room(std::chrono::milliseconds patience) const {
    pollfd wanted{.fd = own_ ? own_.get() : options_.fd, .events = POLLOUT, .revents = 0};
    return ::poll(&wanted, 1, static_cast<int>(patience.count())) > 0;  // an error shows in the write
}

void StdoutSink::give_up() {
    broken_ = true;
    stats_.failed_records += static_cast<std::uint64_t>(std::ranges::count(buffer_, '\n'));
    buffer_.clear();
}

}  // namespace sonde
