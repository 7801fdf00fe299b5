#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "agent/source/event_source.hpp"
#include "agent/source/synthetic_records.hpp"

namespace sonde {

// Records as the ring has them: one behind the other in memory that is used again after each poll. What is made
// therefore costs no memory that could be taken for the agent's.
class RecordStream final : public EventSource, public SyntheticRecords {
public:
    explicit RecordStream(std::int64_t realtime_offset_ns) : realtime_offset_ns_(realtime_offset_ns) {}

    Result<std::size_t> poll(RecordHandler& handler, int) override {
        std::size_t begin = 0;
        const auto count = ends_.size();
        for (const auto end : ends_) {
            const std::span<const std::byte> record(bytes_.data() + begin, end - begin);
            std::uint16_t type = SONDE_REC_NONE;
            std::memcpy(&type, record.data(), sizeof type);
            handler.on_record(record);
            ++losses_.rows[type].seen;
            ++losses_.rows[type].delivered;
            begin = (end + 7) / 8 * 8;
        }
        bytes_.clear();
        ends_.clear();
        return count;
    }
    [[nodiscard]] bool finished() const override { return ends_.empty(); }
    [[nodiscard]] LossMatrix losses() const override { return losses_; }
    [[nodiscard]] std::int64_t realtime_offset_ns() const override { return realtime_offset_ns_; }

private:
    void push(const void* record, std::size_t size, std::string_view bytes) override {
        const auto begin = (bytes_.size() + 7) / 8 * 8;
        bytes_.resize(begin + size + bytes.size());
        std::memcpy(bytes_.data() + begin, record, size);
        if (!bytes.empty()) std::memcpy(bytes_.data() + begin + size, bytes.data(), bytes.size());
        ends_.push_back(bytes_.size());
    }

    const std::int64_t realtime_offset_ns_;
    std::vector<std::byte> bytes_;
    std::vector<std::size_t> ends_;  // of the records in bytes_; each begins at a multiple of 8
    LossMatrix losses_;
};

}  // namespace sonde
