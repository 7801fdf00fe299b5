#include "agent/probe/ring_source.hpp"

#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sonde {
namespace {

// Records handed over between two moves of the consumer position.
constexpr std::size_t batch_records = 256;
// Records per poll: under a load that never lets up, the caller still gets to its clock.
constexpr std::size_t poll_records_max = 65536;

// Of the kernel's second mapping of the data only as much is taken as a record may reach beyond the ring's end: all its
// pages count as resident from the start.
constexpr std::size_t overlap_bytes = 64 << 10;
static_assert(overlap_bytes >= 2 * SONDE_LOG_MAX, "the longest record is a log line");

// A response whose end waits in the kernel is told this long after, and at most twice as long.
constexpr std::uint64_t flush_every_ns = 100'000'000;

std::int64_t clock_ns(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Result<std::unique_ptr<RingSource>> RingSource::open(Probe& probe) {
    std::unique_ptr<RingSource> source(new RingSource(probe));
    const auto broken = [](const char* step) {
        return fail(std::string("cannot read the kernel's ring: ") + step + ": " + std::strerror(errno));
    };
    source->page_bytes_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    source->mask_ = probe.ring_bytes() - 1;
    // layout: kernel/bpf/ringbuf.c: consumer page (writable), producer page, then the data mapped twice in a row
    void* consumer = ::mmap(nullptr, source->page_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, probe.ring_fd(), 0);
    if (consumer == MAP_FAILED) return broken("mmap of the consumer page");
    source->consumer_position_ = static_cast<unsigned long*>(consumer);
    source->mapped_bytes_ =
        source->page_bytes_ + probe.ring_bytes() + std::min<std::size_t>(probe.ring_bytes(), overlap_bytes);
    void* producer = ::mmap(nullptr, source->mapped_bytes_, PROT_READ, MAP_SHARED, probe.ring_fd(),
                            static_cast<off_t>(source->page_bytes_));
    if (producer == MAP_FAILED) return broken("mmap of the data");
    source->producer_position_ = static_cast<const unsigned long*>(producer);
    source->data_ = static_cast<const char*>(producer) + source->page_bytes_;
    source->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN;
    if (!source->epoll_ || ::epoll_ctl(source->epoll_.get(), EPOLL_CTL_ADD, probe.ring_fd(), &event) != 0)
        return broken("epoll");
    return source;
}

RingSource::~RingSource() {
    if (consumer_position_ != nullptr) ::munmap(consumer_position_, page_bytes_);
    if (producer_position_ != nullptr) ::munmap(const_cast<unsigned long*>(producer_position_), mapped_bytes_);
}

Result<std::size_t> RingSource::poll(RecordHandler& handler, int timeout_ms) {
    flush_if_due();
    probe_.keep_clock();
    if (const auto count = drain(handler); count > 0) return count;
    // Producers do not wake us below a quarter of the ring: the time-out is the timer that does.
    epoll_event event{};
    if (::epoll_wait(epoll_.get(), &event, 1, timeout_ms) < 0 && errno != EINTR)
        return fail(std::string("waiting for the kernel's ring: ") + std::strerror(errno));
    return drain(handler);
}

std::size_t RingSource::poll_all(RecordHandler& handler) {
    probe_.flush_progress(UINT64_MAX);
    std::size_t all = 0, count = 0;
    do {
        count = drain(handler);
        all += count;
    } while (count >= poll_records_max);  // more than one poll's worth was waiting
    return all;
}

void RingSource::flush_if_due() {
    const auto now = static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC));
    if (now < flush_due_ns_) return;
    flush_due_ns_ = now + flush_every_ns;
    probe_.flush_progress(now - flush_every_ns);
}

std::size_t RingSource::drain(RecordHandler& handler) {
    std::size_t count = 0;
    std::size_t in_batch = 0;
    auto position = __atomic_load_n(consumer_position_, __ATOMIC_RELAXED);
    auto produced = __atomic_load_n(producer_position_, __ATOMIC_ACQUIRE);
    while (position < produced && count < poll_records_max) {
        const char* at = data_ + (position & mask_);
        const auto header = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(at), __ATOMIC_ACQUIRE);
        if ((header & BPF_RINGBUF_BUSY_BIT) != 0) break;  // reserved and not yet submitted
        const auto reserved = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        if ((header & BPF_RINGBUF_DISCARD_BIT) == 0) {
            sonde_header record{};
            const char* bytes = at + BPF_RINGBUF_HDR_SZ;
            std::memcpy(&record, bytes, sizeof record);
            const std::size_t size = record.size < reserved ? record.size : reserved;
            handler.on_record(std::as_bytes(std::span(bytes, size)));
            auto& delivered = delivered_[record.type < SONDE_REC_TYPES ? record.type : 0];
            delivered.store(delivered.load(std::memory_order_relaxed) + 1, std::memory_order_release);
            ++count;
        }
        position += (reserved + BPF_RINGBUF_HDR_SZ + 7) & ~7UL;
        if (++in_batch == batch_records) {
            in_batch = 0;
            __atomic_store_n(consumer_position_, position, __ATOMIC_RELEASE);
        }
        if (position >= produced) produced = __atomic_load_n(producer_position_, __ATOMIC_ACQUIRE);
    }
    __atomic_store_n(consumer_position_, position, __ATOMIC_RELEASE);
    return count;
}

LossMatrix RingSource::losses() const {
    // delivered first: what arrives in between then stands as seen and on its way, not the other way round
    std::array<std::uint64_t, SONDE_REC_TYPES> delivered{};
    for (std::size_t type = 0; type < SONDE_REC_TYPES; ++type)
        delivered[type] = delivered_[type].load(std::memory_order_acquire);
    auto matrix = probe_.kernel_losses();
    for (std::size_t type = 0; type < SONDE_REC_TYPES; ++type) matrix.rows[type].delivered = delivered[type];
    return matrix;
}

std::int64_t RingSource::realtime_offset_ns() const { return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC); }

}  // namespace sonde
