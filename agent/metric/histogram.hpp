#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace sonde {

// Upper bounds in seconds: useful below 5 ms, where most services live.
inline constexpr std::array<double, 16> duration_bounds_s{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                          0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};
inline constexpr std::array<double, 7> size_bounds_bytes{100, 1000, 10000, 100000, 1e6, 1e7, 1e8};

// Counts per bucket. One thread writes, any thread reads: a reader may see a sum without its newest value, never a
// torn one.
template <std::size_t Buckets>
class BucketCounts {
public:
    // bucket: 0 … Buckets-1, the last one above all bounds.
    void add(std::size_t bucket, double value) {
        auto& count = counts_[bucket];
        count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t count(std::size_t bucket) const {
        return counts_[bucket].load(std::memory_order_relaxed);
    }
    [[nodiscard]] double sum() const { return sum_.load(std::memory_order_relaxed); }

private:
    std::array<std::atomic<std::uint64_t>, Buckets> counts_{};
    std::atomic<double> sum_{0};
};

template <const auto& Bounds>
class Histogram {
public:
    void add(double value) {
        const auto at = std::lower_bound(Bounds.begin(), Bounds.end(), value);  // a bound belongs to its bucket
        counts_.add(static_cast<std::size_t>(at - Bounds.begin()), value);
    }
    static constexpr const auto& bounds() { return Bounds; }
    [[nodiscard]] std::uint64_t bucket(std::size_t index) const { return counts_.count(index); }
    [[nodiscard]] double sum() const { return counts_.sum(); }

private:
    BucketCounts<Bounds.size() + 1> counts_;
};

using DurationHistogram = Histogram<duration_bounds_s>;
using SizeHistogram = Histogram<size_bounds_bytes>;

// Log-linear counts of nanoseconds for percentiles on a screen: 16 steps per octave, so a percentile is at most
// 1/16 above the truth. From 1 µs to 2^40 ns (18 min); what lies outside counts at the end. One thread.
class QuantileHistogram {
public:
    void add(std::uint64_t value_ns) {
        ++counts_[index_of(value_ns)];
        ++total_;
    }
    // Upper end of the bucket that holds the q-quantile, q in 0 … 1; 0 when empty.
    [[nodiscard]] std::uint64_t quantile_ns(double q) const {
        if (total_ == 0) return 0;
        const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(total_ - 1));
        std::uint64_t before = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            before += counts_[i];
            if (before > rank) return upper_ns(i);
        }
        return upper_ns(counts_.size() - 1);
    }
    [[nodiscard]] std::uint64_t total() const { return total_; }
    void reset() { counts_.fill(0), total_ = 0; }

private:
    static constexpr unsigned steps_log2 = 4;
    static constexpr unsigned first_octave = 10;  // 1.024 µs
    static constexpr unsigned last_octave = 40;

    static std::size_t index_of(std::uint64_t value_ns) {
        if (value_ns < (1ULL << first_octave)) return 0;
        const auto octave = static_cast<unsigned>(std::bit_width(value_ns)) - 1;
        if (octave >= last_octave) return bucket_count - 1;
        const auto step = (value_ns >> (octave - steps_log2)) & ((1U << steps_log2) - 1);
        return 1 + ((octave - first_octave) << steps_log2) + step;
    }
    static std::uint64_t upper_ns(std::size_t index) {
        if (index == 0) return 1ULL << first_octave;
        const auto octave = first_octave + ((index - 1) >> steps_log2);
        const auto step = (index - 1) & ((1U << steps_log2) - 1);
        return (1ULL << octave) + ((step + 1) << (octave - steps_log2));
    }
    static constexpr std::size_t bucket_count = 1 + ((last_octave - first_octave) << steps_log2) + 1;

    std::array<std::uint32_t, bucket_count> counts_{};
    std::uint64_t total_ = 0;
};

}  // namespace sonde
