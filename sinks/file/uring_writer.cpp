#include "sinks/file/uring_writer.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace sonde {
namespace {

// EAGAIN and EINTR of one write in a row: beyond this it is not a passing state.
constexpr unsigned max_retries = 64;

bool is_passing(int error) { return error == EINTR || error == EAGAIN; }

}  // namespace

std::unique_ptr<UringWriter> UringWriter::create(UniqueFd& fd, std::uint64_t offset) {
    std::unique_ptr<UringWriter> writer(new UringWriter(offset));
    if (!writer->start(fd.get())) return nullptr;
    writer->fd_ = std::move(fd);
    return writer;
}

UringWriter::UringWriter(std::uint64_t offset)
    : offset_(offset), bytes_(std::make_unique_for_overwrite<char[]>(buffer_count * buffer_bytes)) {}

UringWriter::~UringWriter() {
    if (!has_ring_) return;
    if (fd_ && !flush()) {
        // A later write may have succeeded where an earlier one failed: leave no hole.
        auto unbroken = offset_;
        for (const auto& buffer : buffers_)
            if (buffer.state != State::free) unbroken = std::min(unbroken, buffer.offset + buffer.written);
        // Nothing is left to do if that fails as well.
        [[maybe_unused]] const int ignored = ::ftruncate(fd_.get(), static_cast<off_t>(unbroken));
    }
    io_uring_queue_exit(&ring_);
}

bool UringWriter::start(int fd) {
    if (io_uring_queue_init(buffer_count, &ring_, 0) != 0) return false;
    has_ring_ = true;
    std::array<iovec, buffer_count> parts{};
    for (std::size_t i = 0; i < buffer_count; ++i) parts[i] = {bytes_.get() + i * buffer_bytes, buffer_bytes};
    // Before Linux 5.12 registered buffers count against RLIMIT_MEMLOCK: that may fail.
    return io_uring_register_buffers(&ring_, parts.data(), buffer_count) == 0 &&
           io_uring_register_files(&ring_, &fd, 1) == 0;
}

Status UringWriter::append(std::span<const char> bytes) {
    auto* buffer = bytes.size() <= buffer_bytes ? room_for(bytes.size()) : nullptr;
    if (buffer == nullptr) {
        stats_.rejected_bytes += bytes.size();
        return fail(std::generic_category().message(bytes.size() > buffer_bytes ? EMSGSIZE : last_errno_));
    }
    if (!bytes.empty()) std::memcpy(bytes_of(*buffer) + buffer->size, bytes.data(), bytes.size());
    buffer->size += bytes.size();
    offset_ += bytes.size();
    stats_.appended_bytes += bytes.size();
    return done();
}

Status UringWriter::flush() {
    reap(false);
    write_all(State::held);
    // While older bytes cannot be written, newer ones wait: the buffer goes on filling.
    if (find(State::held) == nullptr) write_all(State::filling);
    if (find(State::held) == nullptr && find(State::filling) == nullptr) return done();
    return fail(std::generic_category().message(last_errno_));
}

// Submits what is in `state` and waits for everything in flight.
void UringWriter::write_all(State state) {
    if (ring_errno_ != 0) return;
    for (auto& buffer : buffers_)
        if (buffer.state == state) submit(buffer);
    reap(false);  // buffered writes have often completed by now
    while (find(State::in_flight) != nullptr && reap(true)) {
    }
}

// The buffer that takes `size` more bytes, or nullptr when all are full and held.
UringWriter::Buffer* UringWriter::room_for(std::size_t size) {
    auto* filling = find(State::filling);
    if (filling != nullptr) {
        if (filling->size + size <= buffer_bytes) return filling;
        // A ring that failed takes nothing more: the buffer stays as it is, and so the file stays in order.
        if (ring_errno_ != 0) return nullptr;
        submit(*filling);
        reap(false);
    }
    auto* next = find(State::free);
    while (next == nullptr && find(State::in_flight) != nullptr && reap(true)) next = find(State::free);
    if (next == nullptr || ring_errno_ != 0) return nullptr;
    *next = {.state = State::filling, .retries = 0, .offset = offset_, .size = 0, .written = 0};
    return next;
}

void UringWriter::submit(Buffer& buffer) {
    if (buffer.written == buffer.size) {
        buffer.state = State::free;
        return;
    }
    auto* entry = io_uring_get_sqe(&ring_);
    assert(entry != nullptr && "the queue is as deep as there are buffers");
    const auto index = static_cast<std::size_t>(&buffer - buffers_.data());
    io_uring_prep_write_fixed(entry, 0, bytes_of(buffer) + buffer.written,
                              static_cast<unsigned>(buffer.size - buffer.written), buffer.offset + buffer.written,
                              static_cast<int>(index));
    io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data64(entry, index);
    buffer.state = State::in_flight;
    int rc = 0;
    do {
        rc = io_uring_submit(&ring_);
    } while (rc == -EINTR || rc == -EAGAIN);
    // EBUSY: completions are to be taken first. The entry stays queued, and the wait in reap() submits it.
    if (rc < 0 && rc != -EBUSY) {
        ring_errno_ = -rc;
        hold(buffer, -rc);
    }
}

// Takes the completions that are there; with `wait`, at least one. False when the ring failed.
bool UringWriter::reap(bool wait) {
    io_uring_cqe* completion = nullptr;
    if (wait) {
        int rc = 0;
        do {
            rc = io_uring_submit_and_wait(&ring_, 1);
        } while (rc == -EINTR || rc == -EAGAIN);
        if (rc < 0 && rc != -EBUSY) {
            last_errno_ = ring_errno_ = -rc;
            return false;
        }
    }
    while (io_uring_peek_cqe(&ring_, &completion) == 0) {
        const auto index = io_uring_cqe_get_data64(completion);
        const int result = completion->res;
        io_uring_cqe_seen(&ring_, completion);
        complete(buffers_[index], result);
    }
    return true;
}

void UringWriter::complete(Buffer& buffer, int result) {
    if (result > 0) {
        buffer.written += static_cast<std::size_t>(result);
        buffer.retries = 0;
        stats_.written_bytes += static_cast<std::uint64_t>(result);
        submit(buffer);  // the rest of a short write, if any
    } else if (is_passing(-result) && buffer.retries < max_retries) {
        ++buffer.retries;
        submit(buffer);
    } else {
        hold(buffer, result < 0 ? -result : EIO);  // no progress and no reason: do not spin
    }
}

void UringWriter::hold(Buffer& buffer, int error) {
    buffer.state = State::held;
    buffer.retries = 0;
    last_errno_ = error;
    ++stats_.errors;
}

char* UringWriter::bytes_of(const Buffer& buffer) const {
    return bytes_.get() + static_cast<std::size_t>(&buffer - buffers_.data()) * buffer_bytes;
}

UringWriter::Buffer* UringWriter::find(State state) {
    const auto found = std::ranges::find(buffers_, state, &Buffer::state);
    return found == buffers_.end() ? nullptr : &*found;
}

}  // namespace sonde
