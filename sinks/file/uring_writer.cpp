#include "sinks/file/uring_writer.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sinks/file/pwrite_writer.hpp"

namespace sonde {

std::unique_ptr<UringWriter> UringWriter::make(UniqueFd& file, std::uint64_t offset) {
    std::unique_ptr<UringWriter> writer(new UringWriter);
    if (::io_uring_queue_init(buffer_count * 2, &writer->ring_, 0) != 0) return nullptr;
    writer->ring_ready_ = true;
    std::array<iovec, buffer_count> vectors{};
    for (std::size_t i = 0; i < buffer_count; ++i) {
        writer->buffers_[i].bytes = std::make_unique<char[]>(buffer_bytes);
        vectors[i] = {writer->buffers_[i].bytes.get(), buffer_bytes};
    }
    const int fd = file.get();
    // registered memory counts against RLIMIT_MEMLOCK, which may be small
    if (::io_uring_register_buffers(&writer->ring_, vectors.data(), buffer_count) != 0) return nullptr;
    if (::io_uring_register_files(&writer->ring_, &fd, 1) != 0) return nullptr;
    writer->file_ = std::move(file);
    writer->offset_ = offset;
    return writer;
}

UringWriter::~UringWriter() {
    while (in_flight_ > 0) wait_one();
    if (ring_ready_) ::io_uring_queue_exit(&ring_);
}

Status UringWriter::append(std::span<const char> bytes) {
    while (!bytes.empty()) {
        auto& buffer = buffers_[filling_];
        while (buffer.in_flight) wait_one();
        const auto n = std::min(bytes.size(), buffer_bytes - buffer.size);
        std::memcpy(buffer.bytes.get() + buffer.size, bytes.data(), n);
        buffer.size += n;
        bytes = bytes.subspan(n);
        if (buffer.size < buffer_bytes) break;
        buffer.offset = offset_;
        offset_ += buffer.size;
        submit(filling_);
        filling_ = (filling_ + 1) % buffer_count;
    }
    return take_error();
}

Status UringWriter::flush() {
    auto& buffer = buffers_[filling_];
    if (!buffer.in_flight && buffer.size > 0) {
        buffer.offset = offset_;
        offset_ += buffer.size;
        submit(filling_);
        filling_ = (filling_ + 1) % buffer_count;
    }
    while (in_flight_ > 0) wait_one();
    return take_error();
}

void UringWriter::submit(std::size_t index) {
    auto& buffer = buffers_[index];
    // the ring has twice as many entries as there are buffers: there is always one
    auto* entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_write_fixed(entry, 0, buffer.bytes.get() + buffer.done,
                                static_cast<unsigned>(buffer.size - buffer.done), buffer.offset + buffer.done,
                                static_cast<int>(index));
    entry->flags |= IOSQE_FIXED_FILE;
    ::io_uring_sqe_set_data64(entry, index);
    buffer.in_flight = true;
    ++in_flight_;
    while (::io_uring_submit(&ring_) == -EINTR) {
    }
}

void UringWriter::wait_one() {
    io_uring_cqe* completion = nullptr;
    while (::io_uring_wait_cqe(&ring_, &completion) == -EINTR) {
    }
    if (completion == nullptr) return;
    const auto index = static_cast<std::size_t>(completion->user_data);
    const int result = completion->res;
    ::io_uring_cqe_seen(&ring_, completion);
    auto& buffer = buffers_[index];
    buffer.in_flight = false;
    --in_flight_;
    if (result > 0) {
        buffer.done += static_cast<std::size_t>(result);
        written_bytes_ += static_cast<std::uint64_t>(result);
    }
    const bool again = result == -EAGAIN || result == -EINTR || (result > 0 && buffer.done < buffer.size);
    if (again) return submit(index);
    if (result <= 0 && error_ == 0) error_ = result == 0 ? ENOSPC : -result;
    buffer.size = buffer.done = 0;
}

Status UringWriter::take_error() {
    if (error_ == 0) return done();
    const int error = std::exchange(error_, 0);
    return fail(std::string("cannot write: ") + std::strerror(error));
}

std::unique_ptr<FileWriter> make_writer(UniqueFd file, std::uint64_t offset) {
    if (auto uring = UringWriter::make(file, offset)) return uring;
    return std::make_unique<PwriteWriter>(std::move(file), offset);
}

}  // namespace sonde
