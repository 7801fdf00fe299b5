#include "agent/history/history.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

Transaction transaction(std::string_view route, std::uint64_t duration_ns, std::uint16_t status = 200) {
    Transaction t;
    t.service = "shop:80";
    t.route = route;
    t.method.assign("GET");
    t.path.assign(route);
    t.status = status;
    t.outcome = status >= 500 ? Outcome::error : Outcome::ok;
    t.duration_ns = duration_ns;
    t.phase_ns[static_cast<std::size_t>(Phase::queue)] = static_cast<std::int64_t>(duration_ns / 2);
    t.request_bytes = 100;
    t.response_bytes = 2000;
    t.server.port = 80;
    return t;
}

// A history without its thread, on a clock of its own that starts where the real one is.
class HistoryTest : public testing::Test {
protected:
    explicit HistoryTest(const HistoryOptions& options = {}) : history_(options), now_s_(history_.started_s()) {
        history_.feed().advance(now_s_ * ns_per_s);
        history_.take_in(std::chrono::milliseconds(0));
    }
    void pass_second() {
        ++now_s_;
        history_.feed().advance(now_s_ * ns_per_s);
        while (history_.take_in(std::chrono::milliseconds(0))) {
        }
    }
    void pass(unsigned seconds) {
        for (unsigned i = 0; i < seconds; ++i) pass_second();
    }
    History history_;
    std::uint64_t now_s_;
};

TEST(Cell, ComesBackAsItWas) {
    std::mt19937_64 random(1);
    Cell cell;
    for (int i = 0; i < 1000; ++i)
        cell.add(transaction("/", std::uint64_t{1} << (random() % 45), static_cast<std::uint16_t>(random() % 700)));
    std::string bytes;
    cell.append_to(bytes);
    Cell read;
    ASSERT_TRUE(read.add_encoded(bytes));
    EXPECT_EQ(read.count, cell.count);
    EXPECT_EQ(read.statuses, cell.statuses);
    EXPECT_EQ(read.by_outcome, cell.by_outcome);
    EXPECT_EQ(read.phase_ns, cell.phase_ns);
    EXPECT_EQ(read.phase_seen, cell.phase_seen);
    EXPECT_EQ(read.durations, cell.durations);
    EXPECT_EQ(read.duration_ns, cell.duration_ns);
    EXPECT_EQ(read.max_ns, cell.max_ns);
    EXPECT_EQ(read.response_bytes, cell.response_bytes);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        Cell partial;
        EXPECT_FALSE(partial.add_encoded(bytes.substr(0, cut))) << cut;
    }
    EXPECT_FALSE(read.add_encoded(bytes + '\0'));
}

TEST(Cell, OneTransactionIsSmall) {
    Cell cell;
    cell.add(transaction("/", 2'913'000));
    std::string bytes;
    cell.append_to(bytes);
    EXPECT_LE(bytes.size(), 45U);
}

TEST(Cell, QuantilesAreWithinAnEighthOfAnOctave) {
    std::mt19937_64 random(2);
    std::lognormal_distribution<double> distribution(13.8, 1.2);  // around 1 ms
    std::vector<std::uint64_t> truth;
    Cell cell;
    for (int i = 0; i < 20'000; ++i) {
        const auto ns = static_cast<std::uint64_t>(distribution(random)) + 10'000;
        truth.push_back(ns);
        cell.add(transaction("/", ns));
    }
    std::sort(truth.begin(), truth.end());
    for (const double q : {0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999}) {
        const auto exact = static_cast<double>(truth[static_cast<std::size_t>(q * 20'000) - 1]);
        EXPECT_NEAR(static_cast<double>(cell.quantile_ns(q)), exact, exact * 0.0626) << q;
    }
    EXPECT_EQ(cell.quantile_ns(1), truth.back());
    EXPECT_EQ(Cell{}.quantile_ns(0.5), 0U);
}

TEST(DurationBuckets, EachDurationLiesInItsBucket) {
    for (std::uint64_t ns = 1; ns < std::uint64_t{1} << 40; ns = ns * 9 / 8 + 1) {
        const auto bucket = DurationBuckets::index(ns);
        EXPECT_LE(DurationBuckets::lower_ns(bucket), ns);
        EXPECT_GT(DurationBuckets::lower_ns(bucket + 1), ns);
    }
}

TEST(SlotRing, BoundedAndCounted) {
    SlotRing ring(1, 300, 4096);
    for (std::uint64_t second = 0; second < 1000; ++second) ring.push(second, std::string(200, 'x'));
    EXPECT_LE(ring.bytes(), 4096U);
    EXPECT_EQ(ring.evicted() + ring.slots().size(), 1000U);
    EXPECT_EQ(ring.complete_from_s(), ring.slots().front().start_s);
    ring.expire(ring.slots().front().start_s + 302);
    EXPECT_EQ(ring.evicted() + ring.slots().size(), 998U) << "what is too old is not an eviction";
}

TEST(SlotRing, MergesEndpointByEndpoint) {
    const auto cell_of = [](std::uint64_t ns) {
        Cell cell;
        cell.add(transaction("/", ns));
        std::string bytes;
        cell.append_to(bytes);
        return bytes;
    };
    std::string a, b, sum;
    CellWriter left(a), right(b);
    left.append(1, cell_of(1000));
    left.append(7, cell_of(2000));
    right.append(0, cell_of(3000));
    right.append(7, cell_of(4000));
    right.append(900, cell_of(5000));
    merge_cells(a, b, sum);
    CellWalk walk(sum);
    std::vector<std::pair<std::uint32_t, std::uint64_t>> seen;
    while (walk.next()) {
        Cell cell;
        ASSERT_TRUE(cell.add_encoded(walk.cell()));
        seen.emplace_back(walk.endpoint(), cell.duration_ns);
    }
    EXPECT_EQ(seen,
              (std::vector<std::pair<std::uint32_t, std::uint64_t>>{{0, 3000}, {1, 1000}, {7, 6000}, {900, 5000}}));
}

TEST_F(HistoryTest, CountsStayEqualThroughAllResolutions) {
    std::uint64_t made = 0;
    for (int second = 0; second < 200; ++second) {
        for (int i = 0; i < second % 7; ++i, ++made) history_.feed().observe(transaction("/a", 1'000'000));
        history_.feed().observe(transaction("/b", 5'000'000, second % 10 == 0 ? 500 : 200));
        ++made;
        pass_second();
    }
    const auto all = [](const EndpointKey&) { return true; };
    for (const std::uint64_t step : {1, 10, 60}) {
        std::uint64_t sum = 0;
        for (const auto& point : history_.series(all, step, step == 1 ? 300 : 3600)) sum += point.cell.count;
        EXPECT_EQ(sum, made) << step;
    }
    const auto window = history_.window(60, 30);
    ASSERT_EQ(window.endpoints.size(), 2U);
    EXPECT_EQ(window.to_s - window.from_s, 60U);
    EXPECT_TRUE(window.complete);
    std::uint64_t total = 0;
    for (const auto& endpoint : window.endpoints) {
        std::uint64_t parts = 0;
        for (const auto count : endpoint.counts) parts += count;
        EXPECT_EQ(parts, endpoint.now.count);
        total += endpoint.total_count;
        if (endpoint.key.route == "/b") {
            EXPECT_EQ(endpoint.now.count, 60U);
            EXPECT_EQ(endpoint.now.errors(), 6U);
            EXPECT_EQ(endpoint.total_errors, 20U);
            EXPECT_EQ(endpoint.key.method.view(), "GET");
        }
    }
    EXPECT_EQ(total, made);
    const auto past = history_.past_hour();
    EXPECT_GE(past->covered_s, 120U);
    EXPECT_LE(past->covered_s, 200U);
}

TEST_F(HistoryTest, AfterAnHourOfRestNothingIsLeft) {
    history_.feed().observe(transaction("/a", 1'000'000));
    pass(10);
    EXPECT_EQ(history_.window(3600, 1).endpoints.size(), 1U);
    pass(3700);
    EXPECT_TRUE(history_.window(3600, 1).endpoints.empty());
    EXPECT_TRUE(history_.past_hour()->cells.empty());
}

TEST_F(HistoryTest, KeepsFailedAndSlowApart) {
    for (int i = 0; i < 1000; ++i) history_.feed().observe(transaction("/a", 1'000'000));
    history_.feed().observe(transaction("/a", 900'000'000));
    history_.feed().observe(transaction("/a", 1'000'000, 503));
    pass(1);
    EXPECT_EQ(history_.last_number(), 1002U);
    std::array<unsigned, kept_as_count> kept{};
    std::uint64_t last = UINT64_MAX;
    history_.transactions([&](const KeptTransaction& t) {
        EXPECT_LT(t.number, last);
        last = t.number;
        ++kept[static_cast<std::size_t>(t.kept_as)];
        EXPECT_EQ(t.line.front(), '{');
        EXPECT_EQ(t.line.back(), '}');
        return true;
    });
    EXPECT_EQ(kept[static_cast<std::size_t>(KeptAs::failed)], 1U);
    EXPECT_EQ(kept[static_cast<std::size_t>(KeptAs::sampled)], 250U);
    EXPECT_GE(kept[static_cast<std::size_t>(KeptAs::slow)], 1U);
    EXPECT_EQ(history_.transaction(1001).duration_ns, 900'000'000U);
    EXPECT_EQ(history_.transaction(1002).status, 503);
    EXPECT_TRUE(history_.transaction(999).line.empty());
    EXPECT_EQ(history_.stats().transactions_not_kept, 1002U - history_.stats().transactions);
}

TEST_F(HistoryTest, WhatMayNotLeaveIsCountedAndNotKept) {
    auto dropped = transaction("/a", 1'000'000);
    dropped.path.clear();  // as RecordRedactor leaves it
    history_.feed().observe(dropped);
    pass(1);
    EXPECT_EQ(history_.stats().transactions, 0U);
    EXPECT_EQ(history_.window(5, 1).endpoints.at(0).now.count, 1U);
}

TEST_F(HistoryTest, ThePipelineDoesNotWaitForASlowTaker) {
    for (int second = 0; second < 5; ++second) {
        history_.feed().observe(transaction("/a", 1'000'000));
        ++now_s_;
        history_.feed().advance(now_s_ * ns_per_s);
    }
    EXPECT_GT(history_.stats().late_handovers, 0U);
    pass(3);
    EXPECT_EQ(history_.window(60, 1).endpoints.at(0).now.count, 5U) << "late, not lost";
}

HistoryOptions small() {
    HistoryOptions options;
    options.feed.max_endpoints = 10;
    return options;
}

class SmallHistoryTest : public HistoryTest {
protected:
    SmallHistoryTest() : HistoryTest(small()) {}
};

TEST_F(SmallHistoryTest, EndpointsBeyondTheBoundShareOneAndRestingOnesMakeRoom) {
    std::vector<std::string> routes;
    for (int i = 0; i < 25; ++i) routes.push_back("/" + std::to_string(i));
    for (const auto& route : routes) history_.feed().observe(transaction(route, 1'000'000));
    pass(1);
    auto window = history_.window(5, 1);
    EXPECT_EQ(window.endpoints.size(), 11U);
    std::uint64_t count = 0;
    for (const auto& endpoint : window.endpoints) count += endpoint.now.count;
    EXPECT_EQ(count, 25U);
    EXPECT_EQ(history_.stats().overflowed, 15U);
    pass(3700);
    history_.feed().observe(transaction(routes[20], 1'000'000));
    pass(1);
    window = history_.window(5, 1);
    ASSERT_EQ(window.endpoints.size(), 1U);
    EXPECT_EQ(window.endpoints[0].key.route, "/20");
    EXPECT_EQ(window.endpoints[0].total_count, 1U);
}

TEST_F(HistoryTest, SixteenMebibytesUnderTwoThousandBusyEndpoints) {
    std::vector<std::string> routes;
    for (int i = 0; i < 2000; ++i) routes.push_back("/route/" + std::to_string(i));
    std::mt19937_64 random(3);
    std::size_t most = 0;
    for (int second = 0; second < 90; ++second) {
        for (const auto& route : routes)
            for (int i = 0; i < 3; ++i)
                history_.feed().observe(transaction(route, random() % 50'000'000, random() % 50 == 0 ? 500 : 200));
        pass_second();
        most = std::max(most, history_.stats().bytes);
    }
    EXPECT_LE(most, std::size_t{16} << 20);
    EXPECT_GT(history_.stats().slots_evicted_1s, 0U);
    EXPECT_GT(history_.stats().transactions_evicted[0], 0U);
    const auto window = history_.window(10, 10);
    EXPECT_TRUE(window.complete);
    EXPECT_EQ(window.endpoints.size(), 2000U);
    EXPECT_FALSE(history_.window(300, 1).complete) << "and it says so";
}

TEST(History, QuestionsWhileThePipelineWrites) {
    History history;
    history.start();
    std::atomic<bool> stop{false};
    std::jthread reader([&] {
        while (!stop.load()) {
            (void)history.window(60, 30);
            (void)history.past_hour();
            history.transactions([](const KeptTransaction&) { return true; });
        }
    });
    const auto begin = std::chrono::steady_clock::now();
    std::uint64_t made = 0;
    for (auto now = begin; now - begin < std::chrono::milliseconds(2500); now = std::chrono::steady_clock::now()) {
        for (int i = 0; i < 100; ++i, ++made) history.feed().observe(transaction("/a", 1'000'000));
        history.feed().advance(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count()));
    }
    history.feed().finish(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count()));
    stop = true;
    for (int i = 0; i < 200 && history.last_number() == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_GT(history.last_number(), 0U);
    EXPECT_LE(history.window(60, 1).endpoints.at(0).total_count, made);
}

}  // namespace
}  // namespace sonde
