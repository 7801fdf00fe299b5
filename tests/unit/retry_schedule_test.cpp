#include "sinks/delivery/retry_schedule.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sonde {
namespace {

constexpr RetryOptions options{
    .base_delay_ms = 100, .max_delay_ms = 1000, .max_retry_after_ms = 5000, .max_age_ms = 60'000, .max_attempts = 0};

TEST(RetrySchedule, TheFirstAttemptIsDueAtOnce) {
    const RetrySchedule schedule(options, 1);
    EXPECT_TRUE(schedule.due(0));
    EXPECT_EQ(schedule.failures(), 0);
}

TEST(RetrySchedule, DelaysAreDrawnFromRangesThatDoubleUpToTheLimit) {
    constexpr std::array<std::uint64_t, 8> limits{100, 200, 400, 800, 1000, 1000, 1000, 1000};
    std::array<std::uint64_t, limits.size()> longest{};
    std::set<std::uint64_t> first_delays;
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        RetrySchedule schedule(options, seed);
        std::uint64_t now = 1'000'000;
        for (std::size_t i = 0; i < limits.size(); ++i) {
            schedule.failed(now);
            const auto delay = schedule.next_ms() - now;
            ASSERT_LE(delay, limits[i]);
            longest[i] = std::max(longest[i], delay);
            if (i == 0) first_delays.insert(delay);
            now = schedule.next_ms();
            ASSERT_TRUE(schedule.due(now));
            ASSERT_TRUE(delay == 0 || !schedule.due(now - 1));
        }
    }
    for (std::size_t i = 0; i < limits.size(); ++i) EXPECT_GT(longest[i], limits[i] * 9 / 10) << i;
    EXPECT_GT(first_delays.size(), 90);  // full jitter: all of 0 … 100 come up
}

TEST(RetrySchedule, RetryAfterIsALowerBoundWithinReason) {
    RetrySchedule schedule(options, 1);
    schedule.failed(0, 3000);
    EXPECT_EQ(schedule.next_ms(), 3000);
    schedule.failed(3000, 1'000'000);
    EXPECT_EQ(schedule.next_ms(), 3000 + 5000);
    schedule.succeeded();
    schedule.failed(0, 0);
    EXPECT_LE(schedule.next_ms(), 100);
}

TEST(RetrySchedule, SuccessBeginsAnew) {
    RetrySchedule schedule(options, 1);
    for (int i = 0; i < 10; ++i) schedule.failed(0);
    EXPECT_EQ(schedule.failures(), 10);
    schedule.succeeded();
    EXPECT_EQ(schedule.failures(), 0);
    EXPECT_TRUE(schedule.due(0));
    schedule.failed(0);
    EXPECT_LE(schedule.next_ms(), 100);
}

TEST(RetrySchedule, ManyFailuresDoNotOverflow) {
    RetrySchedule schedule(options, 1);
    for (int i = 0; i < 200; ++i) {
        schedule.failed(0);
        ASSERT_LE(schedule.next_ms(), 1000);
    }
    schedule.hurry();
    EXPECT_TRUE(schedule.due(0));
}

}  // namespace
}  // namespace sonde
