// Histograms: two with explicit bounds for /metrics, one with many buckets for percentiles.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sonde {

// What a reader saw of a histogram: not cumulative, the last count is that of values over the last bound.
struct HistogramSnapshot {
    std::vector<std::uint64_t> counts;
    std::uint64_t count = 0;  // the sum of counts, so buckets and count agree even while the writer runs
    std::uint64_t sum = 0;    // in the unit that was observed
};

// Bounds: a type with `static constexpr std::array<std::uint64_t, N> upper`, ascending, inclusive (Prometheus' le).
// One writer, readers on any thread. A writer that is alone needs no atomic addition: load and store are enough,
// and cost as much as plain ones.
template <typename Bounds>
class ExplicitHistogram {
public:
    static constexpr std::size_t bound_count = Bounds::upper.size();

    // The bucket that it fell into.
    std::size_t observe(std::uint64_t value) {
        std::size_t bucket = 0;  // without a branch: which bucket comes next is not predictable
        for (const auto bound : Bounds::upper) bucket += value > bound;
        add(counts_[bucket], 1);
        add(sum_, value);
        return bucket;
    }

    [[nodiscard]] HistogramSnapshot snapshot() const {
        HistogramSnapshot out;
        out.counts.reserve(counts_.size());
        out.sum = sum_.load(std::memory_order_relaxed);
        for (const auto& count : counts_) {
            out.counts.push_back(count.load(std::memory_order_relaxed));
            out.count += out.counts.back();
        }
        return out;
    }

private:
    static void add(std::atomic<std::uint64_t>& cell, std::uint64_t value) {
        cell.store(cell.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    }
    std::array<std::atomic<std::uint64_t>, bound_count + 1> counts_{};
    std::atomic<std::uint64_t> sum_{0};
};

// Nanoseconds, exact; shown in seconds.
struct DurationBounds {
    static constexpr std::array<std::uint64_t, 16> upper{
        100'000,    250'000,     500'000,     1'000'000,   2'500'000,     5'000'000,     10'000'000,    25'000'000,
        50'000'000, 100'000'000, 250'000'000, 500'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};
    static constexpr std::array<double, 16> shown{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                  0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
    static constexpr double unit = 1e9;
};
using DurationHistogram = ExplicitHistogram<DurationBounds>;

// Bytes.
struct SizeBounds {
    static constexpr std::array<std::uint64_t, 7> upper{100,       1'000,      10'000,     100'000,
                                                        1'000'000, 10'000'000, 100'000'000};
    static constexpr std::array<double, 7> shown{1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    static constexpr double unit = 1;
};
using SizeHistogram = ExplicitHistogram<SizeBounds>;

// Percentiles of durations for the terminal: log-linear, 16 buckets an octave from 1.024 µs to 2^40 ns (1100 s).
// A quantile is within 6.25% of a value that was added. Values outside are kept in the first and last bucket.
// About 2 KiB; one thread.
class QuantileHistogram {
public:
    void add(std::uint64_t value_ns) {
        auto& cell = counts_[index(value_ns)];
        if (cell != UINT32_MAX) ++cell;
        ++count_;
        if (value_ns > max_ns_) max_ns_ = value_ns;
    }
    // q in 0..1; the middle of the bucket that holds the value of that rank; 0 when nothing was added.
    [[nodiscard]] std::uint64_t quantile(double q) const;
    void merge(const QuantileHistogram& other);
    void reset();
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t max_ns() const { return max_ns_; }  // exact

private:
    static constexpr unsigned sub_bits = 4, first_octave = 10, last_octave = 39;
    static constexpr std::size_t sub_count = std::size_t{1} << sub_bits;
    static constexpr std::size_t buckets = 1 + (last_octave - first_octave + 1) * sub_count;

    static std::size_t index(std::uint64_t value_ns) {
        const auto octave = static_cast<unsigned>(std::bit_width(value_ns | 1)) - 1;
        if (octave < first_octave) return 0;
        if (octave > last_octave) return buckets - 1;
        const auto sub = (value_ns >> (octave - sub_bits)) & (sub_count - 1);
        return 1 + (octave - first_octave) * sub_count + sub;
    }
    static std::uint64_t middle_ns(std::size_t bucket);

    std::array<std::uint32_t, buckets> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ns_ = 0;
};

}  // namespace sonde
