#include "sinks/file/pwrite_writer.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace sonde {

PwriteWriter::PwriteWriter(UniqueFd fd, std::uint64_t offset)
    : fd_(std::move(fd)), offset_(offset), buffer_(std::make_unique_for_overwrite<char[]>(buffer_bytes)) {}

PwriteWriter::~PwriteWriter() { write_out(); }

Status PwriteWriter::append(std::span<const char> bytes) {
    const auto has_room = [&] { return bytes.size() <= buffer_bytes - end_; };
    // After a failure only flush() tries again: not every append pays for a write that is likely to fail.
    if (!has_room() && last_errno_ == 0) write_out();
    if (!has_room()) {
        stats_.rejected_bytes += bytes.size();
        return fail(std::generic_category().message(last_errno_ != 0 ? last_errno_ : EMSGSIZE));
    }
    if (!bytes.empty()) std::memcpy(buffer_.get() + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
    stats_.appended_bytes += bytes.size();
    return done();
}

Status PwriteWriter::flush() {
    if (write_out()) return done();
    return fail(std::generic_category().message(last_errno_));
}

bool PwriteWriter::write_out() {
    last_errno_ = 0;
    while (begin_ < end_) {
        const auto written = ::pwrite(fd_.get(), buffer_.get() + begin_, end_ - begin_, static_cast<off_t>(offset_));
        if (written > 0) {
            begin_ += static_cast<std::size_t>(written);
            offset_ += static_cast<std::uint64_t>(written);
            stats_.written_bytes += static_cast<std::uint64_t>(written);
            continue;
        }
        if (written < 0 && errno == EINTR) continue;
        last_errno_ = written < 0 ? errno : EIO;
        ++stats_.errors;
        break;
    }
    if (begin_ > 0) {
        std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    return last_errno_ == 0;
}

}  // namespace sonde
