#include "agent/metric/exponential_histogram.hpp"

#include <algorithm>
#include <cmath>

namespace sonde {
namespace {

constexpr double ns_per_s = 1e9;

// Durations are whole nanoseconds: a value is at most a bound exactly where it is at most the bound rounded down.
std::array<std::uint64_t, ExponentialHistogram::bucket_count + 1> make_bounds() {
    std::array<std::uint64_t, ExponentialHistogram::bucket_count + 1> out{};
    constexpr auto per_octave = 1 << ExponentialHistogram::scale;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto part = static_cast<long double>(i % per_octave) / per_octave;
        const auto octave = ExponentialHistogram::first_octave + static_cast<int>(i / per_octave);
        out[i] = static_cast<std::uint64_t>(std::ldexp(std::exp2(part) * static_cast<long double>(ns_per_s), octave));
    }
    return out;
}

}  // namespace

const std::array<std::uint64_t, ExponentialHistogram::bucket_count + 1>& ExponentialHistogram::upper() {
    static const auto bounds = make_bounds();
    return bounds;
}

std::size_t ExponentialHistogram::index(std::uint64_t duration_ns) {
    const auto& bounds = upper();
    const auto found = std::lower_bound(bounds.begin(), bounds.end(), duration_ns);
    return std::min(static_cast<std::size_t>(found - bounds.begin()), bucket_count);
}

ExponentialSnapshot ExponentialHistogram::snapshot() const {
    constexpr auto per_octave = 1 << scale;
    ExponentialSnapshot out;
    out.scale = scale;
    out.zero_threshold = std::ldexp(1.0, first_octave);
    out.sum = static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / ns_per_s;
    out.zero_count = counts_[0].load(std::memory_order_relaxed);
    out.count = out.zero_count;
    for (std::size_t i = 0; i < bucket_count; ++i) {
        const auto count = counts_[i + 1].load(std::memory_order_relaxed);
        if (count == 0 && out.counts.empty()) continue;
        if (out.counts.empty()) out.offset = first_octave * per_octave + static_cast<std::int32_t>(i);
        out.counts.push_back(count);
        out.count += count;
    }
    while (!out.counts.empty() && out.counts.back() == 0) out.counts.pop_back();
    return out;
}

}  // namespace sonde
