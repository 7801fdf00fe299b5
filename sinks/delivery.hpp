#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "agent/base/spsc_queue.hpp"
#include "sinks/sink.hpp"

namespace sonde {

// Numbers of records over the delivery's life. offered = dropped + delivered + what is in the queue.
struct DeliveryStats {
    std::uint64_t offered = 0;
    std::uint64_t dropped = 0;    // the queue was full
    std::uint64_t delivered = 0;  // handed to the sink's write()
    std::uint64_t queued = 0;     // waiting now
    std::uint64_t peak = 0;       // most that ever waited
    std::uint64_t capacity = 0;
    bool able = true;  // the last flush succeeded
    SinkStats sink;    // as of the last batch
};

// One sink behind one bounded queue, with the thread `sink/<name>` between them. A sink that is slow or hangs costs
// its own queue only: the pipeline never waits.
//
// Threads: offer() from one thread (the pipeline's); stats() from any; stop() and the destructor from the owner,
// after the last offer().
class Delivery {
public:
    static constexpr std::size_t default_capacity = 8192;  // 80 ms at 100,000 records per second

    explicit Delivery(std::unique_ptr<Sink> sink, std::size_t queue_capacity = default_capacity);
    ~Delivery();
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;

    // False when the queue is full: the record is dropped and counted. Never blocks, allocates or wakes a thread.
    bool offer(const Record& record) { return enqueue(record); }
    bool offer(const Transaction& transaction) { return enqueue(transaction); }

    [[nodiscard]] DeliveryStats stats() const;
    [[nodiscard]] std::string_view name() const { return name_; }

    // Drains the queue (for at most 5 s), flushes and joins. Returns the number of records that were left: still in
    // the queue, or held by the sink since the last good flush if the last flush failed. Again: the same number.
    std::size_t stop();

private:
    using Clock = std::chrono::steady_clock;

    template <typename Item>
    bool enqueue(const Item& item) {
        add_one(offered_);
        auto* slot = queue_.prepare();
        if (slot == nullptr) {
            add_one(dropped_);
            return false;
        }
        *slot = item;
        queue_.commit();
        return true;
    }
    // Each counter has one writer: no locked instruction is needed. Release: see stats().
    static void add_one(std::atomic<std::uint64_t>& counter) {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    void run(const std::stop_token& stop);
    std::size_t drain_batch();
    void flush();
    void publish_sink_stats();
    void name_thread() const;

    const std::unique_ptr<Sink> sink_;
    const std::string name_;
    SpscQueue<Record> queue_;

    // written by offer()
    std::atomic<std::uint64_t> offered_{0};
    std::atomic<std::uint64_t> dropped_{0};

    // written by the sink's thread
    alignas(64) std::atomic<std::uint64_t> delivered_{0};
    std::atomic<std::uint64_t> peak_{0};
    std::atomic<bool> able_{true};
    std::atomic<std::uint64_t> sink_records_{0};
    std::atomic<std::uint64_t> sink_bytes_{0};
    std::atomic<std::uint64_t> sink_failed_records_{0};
    std::atomic<std::uint64_t> sink_errors_{0};
    std::uint64_t flushed_ = 0;         // delivered_ at the last good flush
    std::uint64_t flushed_failed_ = 0;  // the sink's failed_records then
    std::size_t left_ = 0;

    std::mutex sleep_mutex_;  // guards nothing: a stop request ends the sleep through it
    std::condition_variable_any sleep_;
    std::jthread thread_;  // last: it uses everything above
};

}  // namespace sonde
