// Tables share what memory there may be.
#include "agent/command/memory_plan.hpp"

#include <gtest/gtest.h>

#include "agent/config/config.hpp"

namespace sonde {
namespace {

TEST(MemoryPlan, WithoutACeilingEveryTableHasItsOwnBound) {
    const auto plan = MemoryPlan::of(0);
    EXPECT_EQ(plan.tracker.max_connections, TrackerLimits{}.max_connections);
    EXPECT_EQ(plan.history.tens_bytes, HistoryOptions{}.tens_bytes);
    QueueOptions queue;
    plan.apply(queue);
    EXPECT_EQ(queue.records, QueueOptions{}.records);
}

TEST(MemoryPlan, TablesShrinkWithTheCeilingAndNeverToNothing) {
    auto last = MemoryPlan::of(std::uint64_t{1} << 40);
    EXPECT_EQ(last.tracker.max_connections, TrackerLimits{}.max_connections) << "a high ceiling takes nothing away";
    for (const std::uint64_t mib : {128, 96, 64}) {
        const auto plan = MemoryPlan::of(mib << 20);
        EXPECT_LT(plan.tracker.max_connections, last.tracker.max_connections) << mib;
        EXPECT_LT(plan.max_processes, last.max_processes) << mib;
        EXPECT_LT(plan.history.minutes_bytes, last.history.minutes_bytes) << mib;
        EXPECT_GE(plan.tracker.max_connections, 1024U) << mib;
        CorrelatorOptions correlator;
        plan.apply(correlator);
        EXPECT_GE(correlator.max_held, 512U);
        EXPECT_LT(correlator.max_held, CorrelatorOptions{}.max_held);
        last = plan;
    }
}

TEST(MemoryPlan, TheRingStaysAPowerOfTwo) {
    EXPECT_EQ(MemoryPlan::of(0).ring_kib(8192), 8192U);
    EXPECT_EQ(MemoryPlan::of(std::uint64_t{256} << 20).ring_kib(8192), 8192U);
    EXPECT_EQ(MemoryPlan::of(std::uint64_t{100} << 20).ring_kib(8192), 4096U);
    EXPECT_EQ(MemoryPlan::of(std::uint64_t{64} << 20).ring_kib(8192), 4096U);
    EXPECT_EQ(MemoryPlan::of(std::uint64_t{64} << 20).ring_kib(4), 4U);
}

TEST(MemoryPlan, WhatAUserSaysOfAQueueInBytesStands) {
    QueueOptions queue;
    queue.bytes = std::size_t{64} << 20;
    const auto records = queue.records;
    MemoryPlan::of(Config::least_memory_bytes).apply(queue);
    EXPECT_EQ(queue.records, records);
}

}  // namespace
}  // namespace sonde
