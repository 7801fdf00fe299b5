#include "agent/source/synthetic_source.hpp"

#include <cstring>

namespace sonde {

void SyntheticSource::push(const void* record, std::size_t size, std::string_view bytes) {
    auto& stored = records_.emplace_back(size + bytes.size());
    std::memcpy(stored.data(), record, size);
    if (!bytes.empty()) std::memcpy(stored.data() + size, bytes.data(), bytes.size());
}

void SyntheticSource::raw(std::span<const std::byte> record) { records_.emplace_back(record.begin(), record.end()); }

void SyntheticSource::set_lost(sonde_record_type type, sonde_loss_reason reason, std::uint64_t count) {
    auto& row = losses_.rows[type];
    row.seen += count - row.lost[reason];
    row.lost[reason] = count;
}

Result<std::size_t> SyntheticSource::poll(RecordHandler& handler, int) {
    const auto from = next_;
    for (; next_ < records_.size(); ++next_) {
        const auto& record = records_[next_];
        handler.on_record(record);
        std::uint16_t type = SONDE_REC_NONE;
        if (record.size() >= sizeof type) std::memcpy(&type, record.data(), sizeof type);
        auto& row = losses_.rows[type < SONDE_REC_TYPES ? type : std::uint16_t{SONDE_REC_NONE}];
        ++row.seen;
        ++row.delivered;
    }
    return next_ - from;
}

}  // namespace sonde
