#include "agent/metric/exponential_histogram.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace sonde {
namespace {

// The bucket that a snapshot of one value shows: its bounds in seconds by the data model's formula.
std::pair<double, double> bounds_of(std::uint64_t duration_ns) {
    ExponentialHistogram histogram;
    histogram.observe(duration_ns);
    const auto shown = histogram.snapshot();
    EXPECT_EQ(shown.count, 1);
    EXPECT_EQ(shown.zero_count, 0);
    EXPECT_EQ(shown.counts, std::vector<std::uint64_t>{1});
    const auto bound = [&](std::int32_t index) {
        return std::exp2(std::ldexp(static_cast<double>(index), -shown.scale));
    };
    return {bound(shown.offset), bound(shown.offset + 1)};
}

TEST(ExponentialHistogram, AValueLiesInItsBucket) {
    std::mt19937_64 random(5);
    for (int i = 0; i < 20'000; ++i) {
        const auto ns = static_cast<std::uint64_t>(std::exp2(10 + static_cast<double>(random() % 3100) / 100));
        const auto [lower, upper] = bounds_of(ns);
        const auto seconds = static_cast<double>(ns) / 1e9;
        ASSERT_GT(seconds, lower) << ns;
        ASSERT_LE(seconds, upper) << ns;
        ASSERT_NEAR(upper / lower, 1.0905, 0.0001);
    }
}

TEST(ExponentialHistogram, UpperBoundsAreInclusive) {
    EXPECT_EQ(bounds_of(1'000'000'000).second, 1);
    EXPECT_EQ(bounds_of(1'000'000'001).first, 1);
    EXPECT_EQ(bounds_of(4'000'000'000).second, 4);
    EXPECT_EQ(bounds_of(125'000'000).second, 0.125);
}

TEST(ExponentialHistogram, WhatIsTooShortIsZeroAndWhatIsTooLongInTheLastBucket) {
    ExponentialHistogram histogram;
    EXPECT_TRUE(histogram.snapshot().counts.empty());
    histogram.observe(0);
    histogram.observe(953);  // 2^-20 s are 953.67 ns
    histogram.observe(954);
    histogram.observe(UINT64_MAX / 2);
    const auto shown = histogram.snapshot();
    EXPECT_EQ(shown.zero_count, 2);
    EXPECT_DOUBLE_EQ(shown.zero_threshold, std::exp2(-20));
    EXPECT_EQ(shown.count, 4);
    EXPECT_EQ(shown.offset, -160);
    ASSERT_EQ(shown.counts.size(), ExponentialHistogram::bucket_count);
    EXPECT_EQ(shown.counts.front(), 1);
    EXPECT_EQ(shown.counts.back(), 1);
}

}  // namespace
}  // namespace sonde
