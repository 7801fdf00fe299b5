#include "sinks/delivery.hpp"

#include <pthread.h>

#include <chrono>
#include <cstdio>

namespace sonde {
namespace {

using namespace std::chrono_literals;

// The producer wakes nobody: a wake-up per record would cost it more than the record.
constexpr auto poll_every = 5ms;
constexpr auto flush_every = 200ms;
constexpr std::size_t batch_records = 1024;

}  // namespace

Delivery::Delivery(std::unique_ptr<Sink> sink, std::size_t queue_capacity)
    : sink_(std::move(sink)), name_(sink_->name()), queue_(queue_capacity) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    ::pthread_setname_np(thread_.native_handle(), ("sink/" + name_).substr(0, 15).c_str());
}

Delivery::~Delivery() { stop(); }

bool Delivery::offer(const Record& record) {
    offered_.store(offered_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    auto* slot = queue_.prepare();
    if (slot == nullptr) {
        dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return false;
    }
    *slot = record;
    queue_.commit();
    return true;
}

std::size_t Delivery::drain() {
    const auto waiting = queue_.size();
    if (waiting > peak_.load(std::memory_order_relaxed)) peak_.store(waiting, std::memory_order_relaxed);
    std::size_t count = 0;
    for (Record* record = queue_.front(); record != nullptr && count < batch_records; record = queue_.front()) {
        sink_->write(*record);
        queue_.pop();
        ++count;
    }
    return count;
}

void Delivery::publish() {
    const auto stats = sink_->stats();
    sink_records_.store(stats.records, std::memory_order_relaxed);
    sink_bytes_.store(stats.bytes, std::memory_order_relaxed);
    sink_failed_.store(stats.failed_records, std::memory_order_relaxed);
    sink_errors_.store(stats.errors, std::memory_order_relaxed);
}

void Delivery::run(const std::stop_token& stop) {
    bool dirty = false;
    bool complained = false;
    auto flushed_at = std::chrono::steady_clock::now();
    const auto flush = [&] {
        const auto outcome = sink_->flush();
        // once per trouble, not once per attempt
        if (!outcome && !complained)
            std::fprintf(stderr, "sonde: sink %s: %s\n", name_.c_str(), outcome.error().message().c_str());
        complained = !outcome;
        dirty = false;
        flushed_at = std::chrono::steady_clock::now();
        publish();
    };
    while (true) {
        const bool stopping = stop.stop_requested();  // before the drain: what came until then is delivered
        const auto count = drain();
        dirty = dirty || count > 0;
        if (dirty && std::chrono::steady_clock::now() - flushed_at >= flush_every) flush();
        if (count > 0) continue;
        if (stopping) break;
        std::this_thread::sleep_for(poll_every);
    }
    flush();
}

std::size_t Delivery::stop() {
    if (!thread_.joinable()) return 0;
    thread_.request_stop();
    thread_.join();
    return queue_.size() + sink_failed_.load(std::memory_order_relaxed);
}

DeliveryStats Delivery::stats() const {
    DeliveryStats stats;
    stats.offered = offered_.load(std::memory_order_relaxed);
    stats.dropped = dropped_.load(std::memory_order_relaxed);
    stats.queued = queue_.size();
    stats.peak = peak_.load(std::memory_order_relaxed);
    stats.capacity = queue_.capacity();
    stats.sink = {sink_records_.load(std::memory_order_relaxed), sink_bytes_.load(std::memory_order_relaxed),
                  sink_failed_.load(std::memory_order_relaxed), sink_errors_.load(std::memory_order_relaxed)};
    return stats;
}

}  // namespace sonde
