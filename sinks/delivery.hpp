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
#include "sinks/delivery/record_filter.hpp"
#include "sinks/sink.hpp"

namespace sonde {

// What happens to a record that finds the queue full.
enum class Overflow : std::uint8_t {
    drop_newest,  // it goes
    drop_oldest,  // the one that waits longest goes
    block,        // the pipeline waits for room, at most block_ms; again only once there was room
    sample,       // from half full on, fewer and fewer are taken: 1 of 2, 4, 8; the weights of those tell. Never
                  // errors, which go in until the queue is full
};

struct QueueOptions {
    std::size_t records = 8192;  // 2 … 1,048,576, rounded up to a power of two; 80 ms at 100,000 records per second
    std::size_t bytes = 0;       // memory that the queue may take, rounded down likewise; 0: as `records` says
    Overflow overflow = Overflow::drop_newest;
    std::uint32_t block_ms = 20;  // 1 … 1000: it delays all sinks
};

// Numbers of records over the delivery's life. offered = filtered + dropped + delivered + what is in the queue.
struct DeliveryStats {
    std::uint64_t offered = 0;
    std::uint64_t filtered = 0;   // the sink does not want such records
    std::uint64_t dropped = 0;    // the queue was full, or (Overflow::sample) too full
    std::uint64_t delivered = 0;  // handed to the sink's write(); what became of them is in `sink`
    std::uint64_t flushed = 0;    // of them, before the last good flush; of a sink with its own pace: all
    std::uint64_t queued = 0;     // waiting now
    std::uint64_t peak = 0;       // most that ever waited
    std::uint64_t capacity = 0;
    std::uint64_t refused = 0;  // at stop: left in the queue, or in the hands of a sink that failed
    bool able = true;           // the last flush or attempt succeeded
    SinkStats sink;             // as of the last batch
};

// One sink behind one bounded queue, with the thread `sink/<name>` between them. A sink that is slow or hangs costs
// its own queue only: the pipeline never waits.
//
// Threads: offer() from one thread (the pipeline's); stats() from any; stop() and the destructor from the owner,
// after the last offer().
class Delivery {
public:
    explicit Delivery(std::unique_ptr<Sink> sink, std::size_t queue_capacity = QueueOptions{}.records);
    // name: of metrics, messages and the thread; empty: the sink's own.
    Delivery(std::unique_ptr<Sink> sink, const QueueOptions& queue, RecordFilter filter, std::string name = {});
    ~Delivery();
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;

    // False when the record is dropped, which is counted. What the filter keeps out is not dropped. Never allocates or
    // wakes a thread; blocks only as Overflow::block says.
    bool offer(const Record& record) { return enqueue(record); }
    bool offer(const Transaction& transaction) { return enqueue(transaction); }

    [[nodiscard]] DeliveryStats stats() const;
    [[nodiscard]] std::string_view name() const { return name_; }
    // Whether the sink sends batches at its own pace: DeliveryStats::sink.exported tells about them.
    [[nodiscard]] bool paced() const { return paced_ != nullptr; }

    // Drains the queue (for at most 5 s), flushes and joins. Returns the number of records that were left: still in
    // the queue, or held by the sink since the last good flush if the last flush failed. Again: the same number.
    std::size_t stop();
    // Begins what stop() ends, so that several can stop at the same time.
    void request_stop();

private:
    using Clock = std::chrono::steady_clock;

    template <typename Item>
    bool enqueue(const Item& item) {
        add_one(offered_);
        if (!filter_.passes(item)) {
            add_one(filtered_);
            return true;
        }
        double weight = 1;
        if (overflow_ == Overflow::sample && (weight = draw_weight(item)) == 0) {
            add_one(dropped_);
            return false;
        }
        auto* slot = queue_.prepare();
        if (slot == nullptr) {
            slot = make_room();
        } else {
            waited_in_vain_ = false;
        }
        if (slot == nullptr) {
            add_one(dropped_);
            return false;
        }
        *slot = item;
        if (weight != 1) std::get<Transaction>(*slot).sample_weight *= weight;
        queue_.commit();
        return true;
    }
    Record* make_room();
    Record* wait_for_room();
    double draw_weight(const Record& record);
    double draw_weight(const Transaction& transaction);
    // Each counter has one writer: no locked instruction is needed. Release: see stats().
    static void add_one(std::atomic<std::uint64_t>& counter) {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    void run(const std::stop_token& stop);
    void run_paced(const std::stop_token& stop);
    void rest(const std::stop_token& stop);
    void finish();
    std::size_t drain_batch();
    bool hand_over();
    void flush();
    void publish_sink_stats();
    void name_thread() const;

    const std::unique_ptr<Sink> sink_;
    PacedSink* const paced_;  // the same; null: this class says when to flush
    const std::string name_;
    const RecordFilter filter_;
    const Overflow overflow_;
    const std::chrono::milliseconds block_;
    SpscQueue<Record> queue_;
    // Overflow::drop_oldest only: held while a record leaves the queue, because then both ends take from it.
    std::mutex head_mutex_;
    Record in_hand_;  // … and what the sink writes is a copy, which stays when its slot is taken away

    // written by offer()
    std::atomic<std::uint64_t> offered_{0};
    std::atomic<std::uint64_t> filtered_{0};
    std::atomic<std::uint64_t> dropped_{0};
    bool waited_in_vain_ = false;  // Overflow::block: no more waiting until there was room
    std::uint64_t random_;         // Overflow::sample; never 0

    // written by the sink's thread
    alignas(64) std::atomic<std::uint64_t> delivered_{0};
    std::atomic<std::uint64_t> peak_{0};
    std::atomic<bool> able_{true};
    std::atomic<std::uint64_t> flushed_{0};  // delivered_ at the last good flush
    std::uint64_t flushed_failed_ = 0;       // the sink's failed_records then
    std::atomic<std::size_t> left_{0};
    mutable std::mutex sink_stats_mutex_;
    SinkStats sink_stats_;  // as of the last batch

    std::mutex sleep_mutex_;  // guards nothing: a stop request ends the sleep through it
    std::condition_variable_any sleep_;
    std::jthread thread_;  // last: it uses everything above
};

}  // namespace sonde
