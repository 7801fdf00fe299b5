#include "agent/metric/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace sonde {
namespace {

TEST(DurationHistogram, BoundsAreInclusive) {
    DurationHistogram histogram;
    histogram.observe(0);
    histogram.observe(100'000);
    histogram.observe(100'001);
    histogram.observe(10'000'000'000);
    histogram.observe(10'000'000'001);
    const auto seen = histogram.snapshot();
    EXPECT_EQ(seen.counts[0], 2u);
    EXPECT_EQ(seen.counts[1], 1u);
    EXPECT_EQ(seen.counts[15], 1u);
    EXPECT_EQ(seen.counts[16], 1u);
    EXPECT_EQ(seen.count, 5u);
    EXPECT_EQ(seen.sum, 20'000'200'002u);
}

TEST(DurationHistogram, ShownBoundsAreTheObservedOnes) {
    for (std::size_t i = 0; i < DurationBounds::upper.size(); ++i)
        EXPECT_DOUBLE_EQ(static_cast<double>(DurationBounds::upper[i]) / DurationBounds::unit,
                         DurationBounds::shown[i]);
    EXPECT_TRUE(std::is_sorted(DurationBounds::upper.begin(), DurationBounds::upper.end()));
    for (std::size_t i = 0; i < SizeBounds::upper.size(); ++i)
        EXPECT_DOUBLE_EQ(static_cast<double>(SizeBounds::upper[i]), SizeBounds::shown[i]);
}

TEST(SizeHistogram, CountsOverTheLastBound) {
    SizeHistogram histogram;
    histogram.observe(0);
    histogram.observe(1'000'000'000);
    const auto seen = histogram.snapshot();
    EXPECT_EQ(seen.counts.front(), 1u);
    EXPECT_EQ(seen.counts.back(), 1u);
}

TEST(QuantileHistogram, EmptyIsZero) {
    EXPECT_EQ(QuantileHistogram{}.quantile(0.5), 0u);
    EXPECT_EQ(QuantileHistogram{}.count(), 0u);
}

TEST(QuantileHistogram, WithinSixPercentOfTheExactQuantile) {
    std::mt19937_64 random(11);
    std::lognormal_distribution<double> durations(std::log(3e6), 2.0);
    QuantileHistogram histogram;
    std::vector<std::uint64_t> values;
    for (int i = 0; i < 20'000; ++i) {
        values.push_back(static_cast<std::uint64_t>(std::clamp(durations(random), 1100.0, 1e12)));
        histogram.add(values.back());
    }
    std::sort(values.begin(), values.end());
    for (const double q : {0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999}) {
        const auto exact = static_cast<double>(values[static_cast<std::size_t>(std::ceil(q * 20'000)) - 1]);
        EXPECT_NEAR(static_cast<double>(histogram.quantile(q)), exact, exact * 0.0625) << q;
    }
    EXPECT_EQ(histogram.quantile(1), values.back());
    EXPECT_EQ(histogram.max_ns(), values.back());
}

TEST(QuantileHistogram, EveryMagnitudeFindsItsBucket) {
    for (std::uint64_t value = 1024; value < (std::uint64_t{1} << 40); value += value / 7) {
        QuantileHistogram histogram;
        histogram.add(value);
        histogram.add(std::uint64_t{1} << 50);  // so that the maximum does not answer
        const auto found = static_cast<double>(histogram.quantile(0.5));
        ASSERT_NEAR(found, static_cast<double>(value), static_cast<double>(value) * 0.0625) << value;
    }
}

TEST(QuantileHistogram, ExtremesAreKept) {
    QuantileHistogram histogram;
    histogram.add(0);
    histogram.add(UINT64_MAX);
    EXPECT_EQ(histogram.count(), 2u);
    EXPECT_LT(histogram.quantile(0.5), 1024u);
    EXPECT_EQ(histogram.quantile(1), UINT64_MAX);
}

TEST(QuantileHistogram, MergeAndReset) {
    QuantileHistogram a, b, both;
    for (std::uint64_t i = 1; i <= 100; ++i) {
        a.add(i * 10'000);
        b.add(i * 1'000'000);
        both.add(i * 10'000);
        both.add(i * 1'000'000);
    }
    a.merge(b);
    EXPECT_EQ(a.count(), 200u);
    for (const double q : {0.1, 0.5, 0.9, 1.0}) EXPECT_EQ(a.quantile(q), both.quantile(q));
    a.reset();
    EXPECT_EQ(a.count(), 0u);
    EXPECT_EQ(a.quantile(0.9), 0u);
}

}  // namespace
}  // namespace sonde
