#include "sinks/file/file_writer.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "sinks/file/stream_copy.hpp"

namespace sonde {
namespace {

// From this many bytes on the next write starts by itself: large enough to amortise what a write costs.
constexpr std::uint64_t write_at_bytes = 1U << 20U;
// A look whether the write under way has ended costs as much as a line's copy: not with every line.
constexpr std::uint64_t poll_every_bytes = 64U << 10U;
// Half the ring: while one half is with the kernel the other one fills.
constexpr std::uint64_t write_max_bytes = FileWriter::ring_bytes / 2;
// Below it a direct write costs more than a copy into the page cache: it waits for the device.
constexpr std::uint64_t direct_min_bytes = 256U << 10U;
// EAGAIN and EINTR of one write in a row: beyond this it is not a passing state.
constexpr unsigned max_retries = 64;
constexpr std::size_t huge_page_bytes = 2U << 20U;
static_assert(FileWriter::ring_bytes % huge_page_bytes == 0);

constexpr std::uint64_t block_start(std::uint64_t offset) { return offset & ~(FileWriter::block_bytes - 1); }
bool is_passing(int error) { return error == EINTR || error == EAGAIN; }

}  // namespace

void FileWriter::FreeMemory::operator()(char* memory) const { std::free(memory); }

FileWriter::FileWriter(FileIo& io, std::uint64_t preallocate_bytes, const MakeChannel& make)
    : io_(io),
      preallocate_bytes_(preallocate_bytes),
      memory_(static_cast<char*>(std::aligned_alloc(huge_page_bytes, ring_bytes))) {
    if (!memory_) throw std::bad_alloc();
    // A write then has a few long pieces instead of 256 short ones. What refuses makes it slower, no more.
    ::madvise(memory_.get(), ring_bytes, MADV_HUGEPAGE);
    const std::span<char> memory(memory_.get(), ring_bytes);
    channel_ = make ? make(io, memory) : make_channel(io, memory);
}

FileWriter::~FileWriter() {
    if (!file_.buffered) return;
    flush();
    detach();
}

void FileWriter::attach(File file) {
    assert(!file_.buffered && begin_ == end_);
    if (channel_->attach(file.buffered.get(), file.direct.get()) < 0) {
        channel_ = std::make_unique<PwriteChannel>(io_);
        channel_->attach(file.buffered.get(), file.direct.get());
    }
    file_ = std::move(file);
    floor_ = begin_ = end_ = synced_ = sync_to_ = file_.offset;
    poll_at_ = end_ + write_at_bytes;
    reserved_ = 0;
    reserve_failed_ = preallocate_bytes_ == 0;
    retries_ = 0;
    last_errno_ = sync_errno_ = 0;
    sync_asked_ = false;
}

std::string FileWriter::detach() {
    take_write(true);
    take_sync(true);
    if (sync_asked_) stats_.doubtful_bytes += begin_ - synced_;
    release_reserved();
    std::string pending;
    pending.reserve(end_ - begin_);
    for (auto from = begin_; from < end_;) {
        const auto at = from % ring_bytes;
        const auto size = std::min(end_ - from, ring_bytes - at);
        pending.append(memory_.get() + at, size);
        from += size;
    }
    end_ = begin_;
    stats_.appended_bytes -= pending.size();
    channel_->attach(-1, -1);  // the channel may hold references of its own
    file_ = {};
    return pending;
}

std::size_t FileWriter::room() const {
    // The block in which begin_ lies is kept for the direct write that begins there.
    return ring_bytes - static_cast<std::size_t>(end_ - std::max(floor_, block_start(begin_)));
}

bool FileWriter::append(std::span<const char> bytes) {
    if (bytes.size() > append_bytes) last_errno_ = EMSGSIZE;
    bool fits = bytes.size() <= append_bytes;
    // After a failure only flush() tries again: not every append pays for a write that is likely to fail.
    while (fits && room() < bytes.size()) {
        take_write(true);
        if (room() >= bytes.size()) break;
        fits = last_errno_ == 0;
        if (fits) start_write();
    }
    if (!fits) {
        stats_.rejected_bytes += bytes.size();
        return false;
    }
    copy_in(bytes);
    stats_.appended_bytes += bytes.size();
    if (end_ >= poll_at_) poll();
    return true;
}

void FileWriter::copy_in(std::span<const char> bytes) {
    while (!bytes.empty()) {
        const auto at = end_ % ring_bytes;
        const auto size = std::min(bytes.size(), static_cast<std::size_t>(ring_bytes - at));
        stream_copy(memory_.get() + at, bytes.data(), size);
        end_ += size;
        bytes = bytes.subspan(size);
    }
}

void FileWriter::poll() {
    take_write(false);
    take_sync(false);
    if (!writing_ && last_errno_ == 0 && end_ - begin_ >= write_at_bytes) start_write();
    poll_at_ = std::max(begin_ + write_at_bytes, end_ + poll_every_bytes);
}

bool FileWriter::flush() {
    take_write(true);
    last_errno_ = 0;
    retries_ = 0;
    while (begin_ < end_ && last_errno_ == 0) {
        start_write();
        take_write(true);
    }
    take_sync(false);
    return last_errno_ == 0;
}

bool FileWriter::can_go_direct(std::uint64_t size) const {
    return file_.direct && size >= direct_min_bytes && block_start(begin_) >= floor_;
}

void FileWriter::start_write() {
    stream_done();
    assert(!writing_ && begin_ < end_);
    const auto wrap = (begin_ / ring_bytes + 1) * ring_bytes;  // a write does not go around the ring's end
    write_from_ = begin_;
    write_to_ = std::min({end_, wrap, begin_ + write_max_bytes});
    writing_direct_ = can_go_direct(write_to_ - write_from_);
    if (writing_direct_) {
        write_from_ = block_start(begin_);
        write_to_ = block_start(write_to_);
        reserve(write_to_);
    }
    const auto route = writing_direct_ ? WriteChannel::Route::direct : WriteChannel::Route::buffered;
    const int rc = channel_->start_write(
        route, {memory_.get() + write_from_ % ring_bytes, static_cast<std::size_t>(write_to_ - write_from_)},
        write_from_);
    writing_ = rc == 0;
    if (!writing_) complete_write(rc);
}

void FileWriter::take_write(bool wait) {
    while (writing_) {
        const auto result = channel_->take(WriteChannel::Operation::write, wait);
        if (!result) return;
        writing_ = false;
        complete_write(*result);
        // a write that was only interrupted goes on by itself
        if (retries_ > 0 && last_errno_ == 0) start_write();
    }
}

void FileWriter::complete_write(int result) {
    if (result > 0) {
        const auto reached = write_from_ + static_cast<std::uint64_t>(result);
        if (reached > begin_) {
            stats_.written_bytes += reached - begin_;
            if (writing_direct_) stats_.direct_bytes += reached - begin_;
            begin_ = reached;
            retries_ = 0;
            return;
        }
        result = -EAGAIN;  // only bytes that were there already
    }
    if (writing_direct_ && result == -EINVAL) {
        file_.direct.reset();  // a file system or device with another alignment: the page cache takes any
        return;
    }
    if (is_passing(-result) && retries_ < max_retries) {
        ++retries_;
        return;
    }
    retries_ = 0;
    last_errno_ = result < 0 ? -result : EIO;  // no progress and no reason: do not spin
    ++stats_.errors;
}

void FileWriter::start_sync() {
    take_sync(false);
    sync_asked_ = true;
    if (syncing_ || synced_ == begin_) return;
    sync_to_ = begin_;
    const int rc = channel_->start_sync();
    syncing_ = rc == 0;
    if (!syncing_) {
        sync_errno_ = -rc;
        ++stats_.errors;
    }
}

bool FileWriter::sync() {
    take_sync(true);
    const auto failures = stats_.errors;
    start_sync();
    take_sync(true);
    return stats_.errors == failures;
}

void FileWriter::take_sync(bool wait) {
    if (!syncing_) return;
    const auto result = channel_->take(WriteChannel::Operation::sync, wait);
    if (!result) return;
    syncing_ = false;
    const auto size = sync_to_ - synced_;
    synced_ = sync_to_;
    if (*result >= 0) {
        stats_.durable_bytes += size;
        ++stats_.syncs;
        return;
    }
    stats_.doubtful_bytes += size;
    sync_errno_ = -*result;
    ++stats_.errors;
}

void FileWriter::reserve(std::uint64_t end) {
    if (reserve_failed_) return;
    const auto from = std::max(reserved_, block_start(begin_));
    if (end <= from) return;
    auto size = std::max(preallocate_bytes_, end - from);
    if (file_.limit != 0) size = std::min(size, std::max(file_.limit, end) - from);
    // Whether for want of space or because the file system cannot: the write itself will tell.
    reserve_failed_ = io_.preallocate(file_.buffered.get(), from, size) < 0;
    if (!reserve_failed_) reserved_ = from + size;
}

void FileWriter::release_reserved() {
    reserve_failed_ = true;
    if (reserved_ == 0 || writing_) return;
    // Truncating to the size that it has gives blocks beyond it back. Reserved space is no reason to fail.
    if (reserved_ > begin_) io_.truncate(file_.buffered.get(), begin_);
    reserved_ = 0;
}

}  // namespace sonde
