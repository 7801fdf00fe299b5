#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "agent/sample/reservoir.hpp"
#include "agent/sample/route_history.hpp"
#include "agent/sample/sink_gate.hpp"
#include "agent/sample/sink_rate.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

Transaction on(std::string_view route, std::uint64_t number = 0) {
    Transaction t;
    t.service = "shop";
    t.route = route;
    t.time_ns = number;
    return t;
}

TEST(Reservoir, KeepsTheSmallestHashesAndTheirSum) {
    Reservoir reservoir(3);
    for (std::uint64_t i = 0; i < 10; ++i) reservoir.put(on("/a", i), (i * 7) % 10);
    reservoir.put(on("/b", 99), 5);
    std::set<std::uint64_t> left;
    double weight_a = 0;
    reservoir.release([&](Transaction& t) {
        if (t.route == "/a") weight_a += t.sample_weight;
        if (t.route == "/b") {
            EXPECT_EQ(t.sample_weight, 1);
        }
        left.insert(t.time_ns);
    });
    EXPECT_EQ(left, (std::set<std::uint64_t>{0, 3, 6, 99}));  // hashes 0, 1, 2
    EXPECT_DOUBLE_EQ(weight_a, 10);
    EXPECT_EQ(reservoir.held(), 0U);
    EXPECT_EQ(reservoir.put(on("/a"), 9), Reservoir::Put::held);
}

TEST(Reservoir, IsBoundedAndSaysSo) {
    Reservoir reservoir(10, 25);
    EXPECT_EQ(reservoir.put(on("/a"), 1), Reservoir::Put::held);
    EXPECT_EQ(reservoir.put(on("/b"), 1), Reservoir::Put::held);
    EXPECT_EQ(reservoir.put(on("/c"), 1), Reservoir::Put::no_room);
    EXPECT_EQ(reservoir.put(on("/b"), 2), Reservoir::Put::held);
}

TEST(RouteHistory, KnowsTheSlowestHundredth) {
    RouteHistory history;
    const std::string_view service = "shop", route = "/a";
    EXPECT_TRUE(history.add(service, route, 1).first);
    std::mt19937_64 random(5);
    for (int i = 0; i < 20'000; ++i) history.add(service, route, 1'000'000 + random() % 9'000'000);
    EXPECT_FALSE(history.add(service, route, 9'000'000).slower_than_p99);
    EXPECT_TRUE(history.add(service, route, 13'000'000).slower_than_p99);
    std::size_t slow = 0;
    constexpr int count = 20'000;
    for (int i = 0; i < count; ++i)
        slow += history.add(service, route, random() % 100 == 0 ? 60'000'000 : 5'000'000).slower_than_p99 ? 1 : 0;
    EXPECT_LT(slow, count / 50);
}

TEST(RouteHistory, IsBounded) {
    RouteHistory history(2);
    EXPECT_TRUE(history.add("s", "/a", 1).first);
    EXPECT_TRUE(history.add("s", "/b", 1).first);
    EXPECT_FALSE(history.add("s", "/c", 1).first);
}

TEST(SinkRate, HoldsItsByteLimit) {
    constexpr std::uint64_t limit = 100'000, record_bytes = 500;
    SinkRate rate(limit, false);
    std::mt19937_64 random(9);
    std::uniform_real_distribution<double> coin(0, 1);
    std::uint64_t sent = 0;
    constexpr std::uint64_t seconds = 20, per_second = 2000;  // ten times the limit
    for (std::uint64_t i = 0; i < seconds * per_second; ++i) {
        if (coin(random) >= rate.rate(second_ns + i * (second_ns / per_second))) continue;
        sent += record_bytes;
        rate.sent(record_bytes);
    }
    EXPECT_LT(sent, limit * (seconds + 1));
    EXPECT_GT(sent, limit * seconds * 9 / 10);
}

TEST(SinkRate, FallsBeforeTheQueueIsFull) {
    SinkRate rate(0, true);
    EXPECT_EQ(rate.rate(1), 1);
    rate.queue(700, 1000);
    EXPECT_EQ(rate.rate(1), 1);
    rate.queue(900, 1000);
    EXPECT_NEAR(rate.rate(1), 0.4, 1e-9);
    rate.queue(1000, 1000);
    EXPECT_EQ(rate.rate(1), SinkRate::least);
    rate.queue(0, 1000);
    EXPECT_EQ(rate.rate(1), 1);
    SinkRate steady(0, false);
    steady.queue(1000, 1000);
    EXPECT_EQ(steady.rate(1), 1);
}

TEST(SinkGate, LetsFewerThroughBeforeTheQueueDropsAndKeepsTheSum) {
    SinkGate gate(*SamplingPolicy::defaults(), "file");
    constexpr std::uint64_t count = 64'000;
    double sum = 0;
    std::uint64_t passed = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto t = on("/a", i);
        const auto weight = gate.weight(t, false, i, [] { return SinkLoad{.queued = 900, .capacity = 1000}; });
        sum += weight;
        passed += weight > 0 ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(passed), count * 0.4, 4 * std::sqrt(count * 0.24));
    EXPECT_NEAR(sum, count, 4 * std::sqrt(count * 0.24) / 0.4);
    EXPECT_EQ(gate.dropped(), count - passed);
    const auto must = gate.weight(on("/a"), true, count, [] { return SinkLoad{.queued = 1000, .capacity = 1000}; });
    EXPECT_EQ(must, 1);
}

}  // namespace
}  // namespace sonde
