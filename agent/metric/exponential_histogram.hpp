#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "agent/model/exponential_family.hpp"

namespace sonde {

// Durations in exponential buckets of scale 3 (eight an octave: a quantile is within 4.5% of a value), from 2^-20 s
// (0.95 µs) to 2^12 s (68 min); shown in seconds. What is shorter counts as zero, what is longer is in the last bucket.
// 2 KiB. One writer, readers on any thread.
class ExponentialHistogram {
public:
    static constexpr std::int32_t scale = 3;
    static constexpr std::int32_t first_octave = -20, octaves = 32;  // of seconds
    static constexpr std::size_t bucket_count = octaves * (std::size_t{1} << scale);

    void observe(std::uint64_t duration_ns) {
        add(counts_[index(duration_ns)], 1);
        add(sum_ns_, duration_ns);
    }
    [[nodiscard]] ExponentialSnapshot snapshot() const;

private:
    // upper[i]: greatest number of nanoseconds in place i: that of zero, then those of the buckets.
    static const std::array<std::uint64_t, bucket_count + 1>& upper();
    static std::size_t index(std::uint64_t duration_ns);
    static void add(std::atomic<std::uint64_t>& cell, std::uint64_t value) {
        cell.store(cell.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    }
    std::array<std::atomic<std::uint64_t>, bucket_count + 1> counts_{};  // zero first
    std::atomic<std::uint64_t> sum_ns_{0};
};

}  // namespace sonde
