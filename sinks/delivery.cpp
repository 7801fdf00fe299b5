#include "sinks/delivery.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace sonde {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t batch_records = 256;  // between two looks at the clock
// The sleep between two looks at an empty queue: short enough that the queue holds what comes meanwhile, long
// enough that an idle sink costs nothing. A wake-up per record would cost the pipeline a system call each.
constexpr auto poll_interval = 10ms;
constexpr auto flush_interval = 200ms;       // under load
constexpr auto idle_flush_interval = 100ms;  // after the last record
constexpr auto drain_limit = 5s;
constexpr std::size_t thread_name_chars = 15;  // TASK_COMM_LEN without the NUL

}  // namespace

Delivery::Delivery(std::unique_ptr<Sink> sink, std::size_t queue_capacity)
    : sink_(std::move(sink)), name_(sink_->name()), queue_(queue_capacity) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Delivery::~Delivery() { stop(); }

std::size_t Delivery::stop() {
    if (thread_.joinable()) {
        thread_.request_stop();
        thread_.join();
    }
    return left_;
}

void Delivery::name_thread() const {
    pthread_setname_np(pthread_self(), ("sink/" + name_).substr(0, thread_name_chars).c_str());
}

void Delivery::run(const std::stop_token& stop) {
    name_thread();
    auto last_write = Clock::now();
    auto last_flush = last_write;
    bool dirty = false;
    while (!stop.stop_requested()) {
        const auto count = drain_batch();
        const auto now = Clock::now();
        if (count > 0) {
            // A flush interval starts with the first record after a rest, not with the flush before it.
            if (!dirty) last_flush = now;
            dirty = true;
            last_write = now;
        }
        const auto since_flush = now - last_flush;
        const bool idle = now - last_write >= idle_flush_interval && since_flush >= idle_flush_interval;
        if (dirty && (idle || since_flush >= flush_interval)) {
            flush();
            dirty = !able_.load(std::memory_order_relaxed);
            last_flush = now;
        }
        if (count == 0) {
            std::unique_lock lock(sleep_mutex_);
            sleep_.wait_for(lock, stop, poll_interval, [] { return false; });
        }
    }
    const auto deadline = Clock::now() + drain_limit;
    while (drain_batch() > 0 && Clock::now() < deadline) {
    }
    flush();
    left_ = queue_.size();
    if (!able_.load(std::memory_order_relaxed)) {
        const auto handed = delivered_.load(std::memory_order_relaxed) - flushed_;
        const auto failed = sink_failed_records_.load(std::memory_order_relaxed) - flushed_failed_;
        left_ += handed - std::min(handed, failed);  // refused ones were counted as they came
    }
}

std::size_t Delivery::drain_batch() {
    const auto waiting = queue_.size();
    if (waiting > peak_.load(std::memory_order_relaxed)) peak_.store(waiting, std::memory_order_relaxed);
    std::size_t count = 0;
    for (; count < batch_records; ++count) {
        auto* record = queue_.front();
        if (record == nullptr) break;
        sink_->write(*record);
        // The slot keeps the rest until it is used again, but must not keep a dead process in memory.
        if (auto* transaction = std::get_if<Transaction>(record)) transaction->process.reset();
        queue_.pop();
        add_one(delivered_);
    }
    if (count > 0) publish_sink_stats();
    return count;
}

void Delivery::flush() {
    const auto status = sink_->flush();
    publish_sink_stats();
    const bool was_able = able_.exchange(static_cast<bool>(status), std::memory_order_relaxed);
    if (!status) {
        // once per trouble, not once per attempt
        if (was_able) std::fprintf(stderr, "sonde: sink %s: %s\n", name_.c_str(), status.error().message().c_str());
        return;
    }
    flushed_ = delivered_.load(std::memory_order_relaxed);
    flushed_failed_ = sink_failed_records_.load(std::memory_order_relaxed);
}

void Delivery::publish_sink_stats() {
    const auto stats = sink_->stats();
    sink_records_.store(stats.records, std::memory_order_relaxed);
    sink_bytes_.store(stats.bytes, std::memory_order_relaxed);
    sink_failed_records_.store(stats.failed_records, std::memory_order_relaxed);
    sink_errors_.store(stats.errors, std::memory_order_relaxed);
}

DeliveryStats Delivery::stats() const {
    DeliveryStats stats;
    // delivered before offered: read the other way round, more could seem delivered than was offered
    stats.delivered = delivered_.load(std::memory_order_acquire);
    stats.dropped = dropped_.load(std::memory_order_acquire);
    stats.offered = offered_.load(std::memory_order_acquire);
    stats.queued = queue_.size();
    stats.capacity = queue_.capacity();
    stats.peak = std::max(peak_.load(std::memory_order_relaxed), stats.dropped > 0 ? stats.capacity : 0);
    stats.able = able_.load(std::memory_order_relaxed);
    stats.sink = {.records = sink_records_.load(std::memory_order_relaxed),
                  .bytes = sink_bytes_.load(std::memory_order_relaxed),
                  .failed_records = sink_failed_records_.load(std::memory_order_relaxed),
                  .errors = sink_errors_.load(std::memory_order_relaxed)};
    return stats;
}

}  // namespace sonde
