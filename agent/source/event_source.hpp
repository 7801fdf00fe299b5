#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "agent/base/result.hpp"
#include "agent/model/loss.hpp"

namespace sonde {

// Takes raw records, one per call; the bytes are valid during the call only.
class RecordHandler {
public:
    virtual ~RecordHandler() = default;
    virtual void on_record(std::span<const std::byte> record) = 0;
};

// Where records come from: the kernel's ring, a recording, or a test. One thread at a time.
class EventSource {
public:
    virtual ~EventSource() = default;
    // Hands over what there is, waiting up to timeout_ms for the first record. Returns the number of records.
    virtual Result<std::size_t> poll(RecordHandler& handler, int timeout_ms) = 0;
    // No record will ever come again (a recording at its end).
    [[nodiscard]] virtual bool finished() const = 0;
    // What the kernel saw and lost so far; `delivered` counts what this source handed over.
    [[nodiscard]] virtual LossMatrix losses() const = 0;
    // CLOCK_REALTIME − CLOCK_MONOTONIC: turns the records' times into times of day.
    [[nodiscard]] virtual std::int64_t realtime_offset_ns() const = 0;
};

}  // namespace sonde
