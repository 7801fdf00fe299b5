#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "agent/base/result.hpp"
#include "agent/model/loss.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// What was lost since the last such record.
struct LossRecord {
    std::uint64_t time_ns = 0;  // CLOCK_REALTIME
    LossMatrix since_last;
    std::uint64_t in_flight = 0;  // in the ring when the counts were read: seen so far − delivered − lost
};

using Record = std::variant<Transaction, LossRecord>;

// Number of records and bytes over the sink's life.
struct SinkStats {
    std::uint64_t records = 0;         // handed to write()
    std::uint64_t bytes = 0;           // accepted by the destination
    std::uint64_t failed_records = 0;  // handed to write() and not delivered
    std::uint64_t errors = 0;          // operations that failed
};

// A destination. One thread at a time calls it (the delivery thread `sink/<name>`).
class Sink {
public:
    virtual ~Sink() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;
    // Takes the record over; it may be buffered. Failures show in stats() and in the next flush().
    virtual void write(const Record& record) = 0;
    // Returns when everything written before has reached the destination (not necessarily stable storage).
    virtual Status flush() = 0;
    [[nodiscard]] virtual SinkStats stats() const = 0;
};

}  // namespace sonde
