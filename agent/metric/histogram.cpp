#include "agent/metric/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace sonde {

std::uint64_t QuantileHistogram::middle_ns(std::size_t bucket) {
    if (bucket == 0) return (std::uint64_t{1} << first_octave) / 2;
    const auto octave = first_octave + static_cast<unsigned>((bucket - 1) / sub_count);
    const std::uint64_t width = std::uint64_t{1} << (octave - sub_bits);
    return (sub_count + (bucket - 1) % sub_count) * width + width / 2;
}

std::uint64_t QuantileHistogram::quantile(double q) const {
    std::uint64_t held = 0;  // cells saturate, count_ does not
    for (const auto cell : counts_) held += cell;
    if (held == 0) return 0;
    const auto rank = static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(held)));
    if (rank >= held) return max_ns_;
    std::uint64_t below = 0;
    for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
        below += counts_[bucket];
        if (below >= std::max<std::uint64_t>(rank, 1)) return std::min(middle_ns(bucket), max_ns_);
    }
    return max_ns_;
}

void QuantileHistogram::merge(const QuantileHistogram& other) {
    for (std::size_t i = 0; i < buckets; ++i) {
        const auto room = UINT32_MAX - counts_[i];
        counts_[i] += std::min(room, other.counts_[i]);
    }
    count_ += other.count_;
    max_ns_ = std::max(max_ns_, other.max_ns_);
}

void QuantileHistogram::reset() { *this = {}; }

}  // namespace sonde
