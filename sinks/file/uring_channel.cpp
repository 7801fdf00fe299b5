#include "sinks/file/uring_channel.hpp"

#include <sys/uio.h>

#include <cassert>
#include <cerrno>

namespace sonde {
namespace {

constexpr unsigned entries = 4;  // one write, one sync, and room for a sync that another one overtakes

}  // namespace

std::unique_ptr<UringChannel> UringChannel::create(std::span<char> memory, int& error) {
    std::unique_ptr<UringChannel> channel(new UringChannel);
    error = -io_uring_queue_init(entries, &channel->ring_, 0);
    if (error != 0) return nullptr;
    channel->has_ring_ = true;
    const iovec region{memory.data(), memory.size()};
    // Before Linux 5.12 registered buffers count against RLIMIT_MEMLOCK: that may fail.
    error = -io_uring_register_buffers(&channel->ring_, &region, 1);
    if (error != 0) return nullptr;
    const std::array<int, 2> none{-1, -1};  // a sparse table, filled by attach()
    error = -io_uring_register_files(&channel->ring_, none.data(), none.size());
    return error == 0 ? std::move(channel) : nullptr;
}

UringChannel::~UringChannel() {
    if (!has_ring_) return;
    // The kernel must not read from memory that its owner is about to free.
    take(Operation::write, true);
    take(Operation::sync, true);
    io_uring_queue_exit(&ring_);
}

int UringChannel::attach(int buffered, int direct) {
    std::array<int, 2> files{buffered, direct};
    const int updated = io_uring_register_files_update(&ring_, 0, files.data(), files.size());
    return updated < 0 ? updated : 0;
}

int UringChannel::start_write(Route route, std::span<const char> bytes, std::uint64_t offset) {
    auto* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) return -EBUSY;
    io_uring_prep_write_fixed(entry, route == Route::direct ? 1 : 0, bytes.data(), static_cast<unsigned>(bytes.size()),
                              offset, 0);
    return submit(entry, Operation::write);
}

int UringChannel::start_sync() {
    auto* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) return -EBUSY;
    io_uring_prep_fsync(entry, 0, IORING_FSYNC_DATASYNC);
    return submit(entry, Operation::sync);
}

int UringChannel::submit(io_uring_sqe* entry, Operation operation) {
    assert(slot(operation).state == State::idle);
    io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data64(entry, static_cast<std::uint64_t>(operation));
    slot(operation).state = State::under_way;
    if (ring_errno_ != 0) {
        // The entry stays in a ring that nobody submits any more.
        slot(operation) = {State::done, -ring_errno_};
        return 0;
    }
    int rc = 0;
    do {
        rc = io_uring_submit(&ring_);
    } while (rc == -EINTR || rc == -EAGAIN);
    // EBUSY: completions are to be taken first. The entry stays queued, and take() submits it.
    if (rc < 0 && rc != -EBUSY) {
        ring_errno_ = -rc;
        slot(operation) = {State::done, rc};
    }
    return 0;
}

void UringChannel::reap() {
    io_uring_cqe* completion = nullptr;
    while (io_uring_peek_cqe(&ring_, &completion) == 0) {
        auto& done = slot(static_cast<Operation>(io_uring_cqe_get_data64(completion)));
        done = {State::done, completion->res};
        io_uring_cqe_seen(&ring_, completion);
    }
}

std::optional<int> UringChannel::take(Operation operation, bool wait) {
    auto& wanted = slot(operation);
    if (wanted.state == State::idle) return std::nullopt;
    reap();
    while (wanted.state == State::under_way && wait) {
        const int rc = io_uring_submit_and_wait(&ring_, 1);
        if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY) {
            ring_errno_ = -rc;
            wanted = {State::done, rc};
            break;
        }
        reap();
    }
    if (wanted.state != State::done) return std::nullopt;
    wanted.state = State::idle;
    return wanted.result;
}

}  // namespace sonde
