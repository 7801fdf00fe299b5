#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>

#include "agent/base/result.hpp"
#include "agent/model/alert.hpp"
#include "agent/model/log_line.hpp"
#include "agent/model/loss.hpp"
#include "agent/model/transaction.hpp"
#include "sinks/delivery/export_stats.hpp"

namespace sonde {

// What was lost since the last such record.
struct LossRecord {
    std::uint64_t time_ns = 0;  // CLOCK_REALTIME
    LossMatrix since_last{};
    std::uint64_t in_flight = 0;  // in the ring when the counts were read: seen so far − delivered − lost
};

// One change of an alert's state (events file), or a group of alerts (notifiers).
struct AlertRecord {
    std::uint64_t time_ns = 0;  // CLOCK_REALTIME
    std::shared_ptr<const AlertNotice> notice{};
};

using Record = std::variant<Transaction, LossRecord, LogLinePtr, AlertRecord>;

// Number of records and bytes over the sink's life.
struct SinkStats {
    std::uint64_t records = 0;         // handed to write()
    std::uint64_t bytes = 0;           // accepted by the destination
    std::uint64_t failed_records = 0;  // handed to write() and not delivered
    std::uint64_t errors = 0;          // operations that failed
    bool able = true;                  // the destination took what it was last given
    ExportStats exported{};            // of sinks that send batches; zero for others
};

// A destination. One thread at a time calls it (the delivery thread `sink/<name>`).
class Sink {
public:
    virtual ~Sink() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;
    // Takes the record over; it may be buffered. Failures show in stats() and in the next flush().
    virtual void write(const Record& record) = 0;
    // Returns when everything written before has reached the destination (not necessarily stable storage). Called once
    // a second at rest, too: for what is due by the clock.
    virtual Status flush() = 0;
    [[nodiscard]] virtual SinkStats stats() const = 0;
};

// A sink that decides by itself when records leave: over a network, batches have sizes and ages of their own. Its
// flush() is called once, at the end.
class PacedSink : public Sink {
public:
    // Called between two looks at the queue, about every 10 ms when it is empty: for what is due. It may wait for the
    // destination. False: takes no more for now; records wait in the queue.
    virtual bool poll() = 0;
    // What is under way ends by then, flush() too. Any thread.
    virtual void stop_by(std::chrono::steady_clock::time_point deadline) = 0;
};

}  // namespace sonde
