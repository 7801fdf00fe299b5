#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "agent/base/spsc_queue.hpp"
#include "sinks/sink.hpp"

namespace sonde {

// Number of records unless said otherwise.
struct DeliveryStats {
    std::uint64_t offered = 0;
    std::uint64_t dropped = 0;  // the queue was full
    std::uint64_t queued = 0;   // waiting now
    std::uint64_t peak = 0;     // most that ever waited
    std::uint64_t capacity = 0;
    SinkStats sink;
};

// One sink behind its own bounded queue and thread `sink/<name>`: a sink that hangs costs its own queue only.
class Delivery {
public:
    explicit Delivery(std::unique_ptr<Sink> sink, std::size_t queue_capacity = 8192);
    ~Delivery();
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;

    [[nodiscard]] std::string_view name() const { return name_; }
    // Pipeline thread. Never waits; false: the queue was full, and the record is counted as dropped.
    bool offer(const Record& record);
    // Delivers what is queued, flushes and ends the thread. Returns the number of records that were not delivered.
    std::size_t stop();
    [[nodiscard]] DeliveryStats stats() const;  // any thread

private:
    void run(const std::stop_token& stop);
    std::size_t drain();
    void publish();

    const std::unique_ptr<Sink> sink_;
    const std::string name_;
    SpscQueue<Record> queue_;
    std::atomic<std::uint64_t> offered_{0}, dropped_{0}, peak_{0};
    std::atomic<std::uint64_t> sink_records_{0}, sink_bytes_{0}, sink_failed_{0}, sink_errors_{0};
    std::jthread thread_;
};

}  // namespace sonde
