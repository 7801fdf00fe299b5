#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "agent/source/event_source.hpp"
#include "agent/source/synthetic_records.hpp"

namespace sonde {

// Records that a test or a benchmark makes, in the order it makes them.
class SyntheticSource final : public EventSource, public SyntheticRecords {
public:
    explicit SyntheticSource(std::int64_t realtime_offset_ns = 0) : realtime_offset_ns_(realtime_offset_ns) {}

    // Any bytes at all.
    void raw(std::span<const std::byte> record);
    void set_lost(sonde_record_type type, sonde_loss_reason reason, std::uint64_t count);

    [[nodiscard]] const std::vector<std::vector<std::byte>>& records() const { return records_; }

    Result<std::size_t> poll(RecordHandler& handler, int timeout_ms) override;
    [[nodiscard]] bool finished() const override { return next_ == records_.size(); }
    [[nodiscard]] LossMatrix losses() const override { return losses_; }
    [[nodiscard]] std::int64_t realtime_offset_ns() const override { return realtime_offset_ns_; }

private:
    void push(const void* record, std::size_t size, std::string_view bytes) override;

    const std::int64_t realtime_offset_ns_;
    std::vector<std::vector<std::byte>> records_;
    LossMatrix losses_;
    std::size_t next_ = 0;
};

}  // namespace sonde
