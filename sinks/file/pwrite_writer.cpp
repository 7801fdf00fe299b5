#include "sinks/file/pwrite_writer.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sonde {
namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;

}  // namespace

PwriteWriter::PwriteWriter(UniqueFd file, std::uint64_t offset) : file_(std::move(file)), offset_(offset) {
    buffer_.reserve(buffer_bytes);
}

Status PwriteWriter::append(std::span<const char> bytes) {
    if (buffer_.size() + bytes.size() > buffer_bytes)
        if (auto flushed = flush(); !flushed) return flushed;
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return done();
}

Status PwriteWriter::flush() {
    std::size_t at = 0;
    while (at < buffer_.size()) {
        const auto n = ::pwrite(file_.get(), buffer_.data() + at, buffer_.size() - at, static_cast<off_t>(offset_));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            buffer_.clear();
            return fail(std::string("cannot write: ") + std::strerror(n == 0 ? ENOSPC : errno));
        }
        at += static_cast<std::size_t>(n);
        offset_ += static_cast<std::uint64_t>(n);
        written_bytes_ += static_cast<std::uint64_t>(n);
    }
    buffer_.clear();
    return done();
}

}  // namespace sonde
