#include "agent/pipeline/request_waits.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sonde {
namespace {

// The test plays the sampler.
class RequestWaitsTest : public testing::Test {
protected:
    static constexpr std::uint64_t ms = 1'000'000;
    static constexpr std::uint64_t round = RequestWaits::interval_ns;

    RequestWaitsTest() { waits_.advance(1); }

    void read(std::uint64_t span_id, std::uint32_t tid) {
        Transaction request;
        request.trace.span_id = span_id;
        waits_.request_read({request, {}, {}, 1, tid, 0, 0});
    }
    std::size_t answer(std::uint64_t at_ns, std::optional<WaitCause> cause) {
        std::size_t count = 0;
        while (const auto* order = queues_->orders.front()) {
            *queues_->answers.prepare() = {*order, at_ns, cause};
            queues_->answers.commit();
            queues_->orders.pop();
            ++count;
        }
        return count;
    }
    static unsigned count(const WaitSamples& samples, WaitCause cause) {
        return samples.count[static_cast<std::size_t>(cause)];
    }
    static float seconds(const WaitSamples& samples, WaitCause cause) {
        return samples.seconds[static_cast<std::size_t>(cause)];
    }

    std::shared_ptr<WaitQueues> queues_ = std::make_shared<WaitQueues>();
    int wakes_ = 0;
    RequestWaits waits_{queues_, [this] { ++wakes_; }};
};

TEST_F(RequestWaitsTest, WhatWasFoundGoesToTheRequest) {
    read(7, 100);
    for (std::uint64_t i = 1; i <= 3; ++i) {
        waits_.advance(i * round + 1);
        EXPECT_EQ(answer(i * round + 1 * ms, i == 2 ? WaitCause::disk : WaitCause::lock), 1u);
    }
    const auto found = waits_.take(7, 100, 4 * round);
    EXPECT_EQ(count(found, WaitCause::lock), 2u);
    EXPECT_EQ(count(found, WaitCause::disk), 1u);
    EXPECT_NEAR(seconds(found, WaitCause::lock), 0.1, 0.001);
    EXPECT_EQ(wakes_, 3);
}

TEST_F(RequestWaitsTest, ALookAfterTheAnswerDoesNotCount) {
    read(7, 100);
    waits_.advance(round + 1);
    answer(round + 5 * ms, WaitCause::network);  // it waits for the next request
    EXPECT_TRUE(waits_.take(7, 100, round + 4 * ms).empty());
}

// The pipeline was two rounds behind: what was counted may be of after the answer, too.
TEST_F(RequestWaitsTest, WhereALookThatWasCountedCameTooLateThereIsNothing) {
    read(7, 100);
    for (std::uint64_t i = 1; i <= 3; ++i) {
        waits_.advance(i * round + 1);
        answer(i * round + 1 * ms, WaitCause::network);
    }
    EXPECT_TRUE(waits_.take(7, 100, round + 2 * ms).empty());
}

TEST_F(RequestWaitsTest, ARequestThatAnotherThreadAnsweredIsForgotten) {
    read(7, 100);
    EXPECT_TRUE(waits_.take(7, 101, 2 * ms).empty());
    waits_.forget(8, 100);  // another one
    waits_.advance(round + 1);
    EXPECT_EQ(answer(round + 1 * ms, WaitCause::sleep), 1u);
    waits_.forget(7, 100);
    waits_.advance(2 * round + 1);
    EXPECT_EQ(answer(2 * round + 1 * ms, WaitCause::sleep), 0u);
}

TEST_F(RequestWaitsTest, ThreadsWhoseNumbersFallTogetherAreAllLookedAt) {
    for (std::uint32_t i = 0; i < 8; ++i) read(1 + i, 100 + 1024 * i);
    waits_.advance(round + 1);
    EXPECT_EQ(answer(round + 1 * ms, WaitCause::lock), 8u);
    for (std::uint32_t i = 0; i < 8; ++i)
        EXPECT_EQ(count(waits_.take(1 + i, 100 + 1024 * i, 2 * round), WaitCause::lock), 1u);
}

TEST_F(RequestWaitsTest, WhoRanIsNotCounted) {
    read(7, 100);
    waits_.advance(round + 1);
    answer(round + 5 * ms, std::nullopt);
    EXPECT_TRUE(waits_.take(7, 100, 2 * round).empty());
}

TEST_F(RequestWaitsTest, WhoServesNothingIsNotLookedAt) {
    waits_.advance(round + 1);
    EXPECT_EQ(answer(round + 1 * ms, WaitCause::sleep), 0u);
    read(7, 100);
    waits_.take(7, 100, round + 2 * ms);
    waits_.advance(2 * round + 1);
    EXPECT_EQ(answer(2 * round + 1 * ms, WaitCause::sleep), 0u);
    EXPECT_EQ(wakes_, 0);
}

TEST_F(RequestWaitsTest, AnAnswerForAnEarlierRequestOfTheThreadIsDropped) {
    read(7, 100);
    waits_.advance(round + 1);
    waits_.take(7, 100, round + 2 * ms);
    read(8, 100);
    answer(round + 3 * ms, WaitCause::sleep);
    EXPECT_TRUE(waits_.take(8, 100, 2 * round).empty());
}

TEST_F(RequestWaitsTest, ALateSamplerLeavesARoundOutAndTheNextStandsForBoth) {
    read(7, 100);
    waits_.advance(round + 1);
    waits_.advance(2 * round + 1);
    EXPECT_EQ(wakes_, 1);
    answer(2 * round + 2, WaitCause::lock);
    waits_.advance(3 * round + 1);
    answer(3 * round + 2, WaitCause::lock);
    const auto found = waits_.take(7, 100, 4 * round);
    EXPECT_EQ(count(found, WaitCause::lock), 2u);
    EXPECT_NEAR(seconds(found, WaitCause::lock), 0.15, 0.001);
}

// 200 threads at a time of which 32 are looked at; requests from 1 to 400 ms long: the sum is that of their lengths.
TEST_F(RequestWaitsTest, TheSumIsUnbiased) {
    std::mt19937_64 random(20261122);
    std::uniform_int_distribution<std::uint64_t> length_ms(1, 400);
    struct Open {
        std::uint64_t span_id, end_ns;
    };
    std::map<std::uint32_t, Open> open;
    std::uint64_t next_span = 1;
    double truth_s = 0;
    double estimate_s = 0;
    for (std::uint64_t now = ms; now < 60'000 * ms; now += ms) {
        for (std::uint32_t tid = 1; tid <= 200; ++tid) {
            if (const auto at = open.find(tid); at != open.end()) {
                if (at->second.end_ns > now) continue;
                const auto found = waits_.take(at->second.span_id, tid, now);
                for (const auto each : found.seconds) estimate_s += double{each};
            }
            const auto length = length_ms(random) * ms;
            open[tid] = {next_span, now + length};
            truth_s += static_cast<double>(length) / 1e9;
            read(next_span++, tid);
        }
        waits_.advance(now);
        answer(now, WaitCause::lock);
    }
    // 1,200 rounds of 32 looks: 0.5% is three standard deviations of the draw, the open ones at the end are 0.3%
    EXPECT_NEAR(estimate_s / truth_s, 1, 0.01);
}

}  // namespace
}  // namespace sonde
