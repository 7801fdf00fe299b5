#include "sinks/delivery.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <semaphore>
#include <string>
#include <vector>

#include "sinks/capture_sink.hpp"
#include "sinks/null_sink.hpp"
#include "tests/support/records.hpp"

namespace sonde {
namespace {

using namespace std::chrono_literals;

Transaction numbered(std::uint64_t number) {
    Transaction transaction;
    transaction.cookie = number;
    return transaction;
}

std::unique_ptr<Delivery> start(std::unique_ptr<Sink> sink, std::size_t capacity = 64) {
    return std::make_unique<Delivery>(std::move(sink), capacity);
}

// Stays in write() until the gate opens; notes the thread's name.
class GatedSink final : public Sink {
public:
    [[nodiscard]] std::string_view name() const override { return "a_very_long_name"; }
    void write(const Record& record) override {
        if (const auto* transaction = std::get_if<Transaction>(&record)) {
            numbers.push_back(transaction->cookie);
            weights.push_back(transaction->sample_weight);
        }
        entered.release();
        gate.acquire();
        std::array<char, 16> text{};
        pthread_getname_np(pthread_self(), text.data(), text.size());
        thread_name = text.data();
        gate.release();
        ++stats_.records;
    }
    Status flush() override { return done(); }
    [[nodiscard]] SinkStats stats() const override { return stats_; }

    std::counting_semaphore<> entered{0};
    std::counting_semaphore<> gate{0};
    std::string thread_name;
    std::vector<std::uint64_t> numbers;
    std::vector<double> weights;

private:
    SinkStats stats_;
};

// Its flushes succeed as long as it works.
class BrokenSink final : public Sink {
public:
    [[nodiscard]] std::string_view name() const override { return "broken"; }
    void write(const Record&) override { ++stats_.records; }
    Status flush() override {
        ++flushes;
        if (works) return done();
        ++stats_.errors;
        return fail("broken");
    }
    [[nodiscard]] SinkStats stats() const override { return stats_; }

    std::atomic<bool> works{true};
    std::atomic<int> flushes{0};

private:
    SinkStats stats_;
};

TEST(Delivery, DeliversInOrderAndDrainsOnStop) {
    std::vector<Record> records;
    const auto delivery = start(std::make_unique<CaptureSink>(records), 4096);
    for (std::uint64_t i = 0; i < 3000; ++i) ASSERT_TRUE(delivery->offer(numbered(i)));
    ASSERT_TRUE(delivery->offer(Record(LossRecord{})));
    EXPECT_EQ(delivery->stop(), 0);
    EXPECT_EQ(delivery->stop(), 0);
    ASSERT_EQ(records.size(), 3001);
    for (std::size_t i = 0; i < 3000; ++i) EXPECT_EQ(std::get<Transaction>(records[i]).cookie, i);
    EXPECT_TRUE(std::holds_alternative<LossRecord>(records[3000]));
    const auto stats = delivery->stats();
    EXPECT_EQ(stats.offered, 3001);
    EXPECT_EQ(stats.delivered, 3001);
    EXPECT_EQ(stats.dropped, 0);
    EXPECT_EQ(stats.queued, 0);
    EXPECT_EQ(stats.capacity, 4096);
    EXPECT_GT(stats.peak, 0);
    EXPECT_EQ(stats.sink.records, 3001);
    EXPECT_TRUE(stats.able);
}

TEST(Delivery, FlushesSoonAfterTheLastRecord) {
    auto owned = std::make_unique<BrokenSink>();
    const auto delivery = start(std::move(owned));
    delivery->offer(numbered(1));
    EXPECT_TRUE(eventually([&] { return delivery->stats().flushed == 1; }));
    EXPECT_EQ(delivery->stats().delivered, 1);
}

// A sync, a rotation or a deletion that is due waits for no record.
TEST(Delivery, FlushesAtRest) {
    auto owned = std::make_unique<BrokenSink>();
    const auto* sink = owned.get();
    const auto delivery = start(std::move(owned));
    EXPECT_TRUE(eventually([&] { return sink->flushes >= 2; }));
    EXPECT_EQ(delivery->stats().delivered, 0);
}

TEST(Delivery, FlushesUnderLoad) {
    auto owned = std::make_unique<BrokenSink>();
    const auto* sink = owned.get();
    const auto delivery = start(std::move(owned));
    EXPECT_TRUE(eventually([&] {
        delivery->offer(numbered(1));
        return sink->flushes >= 2;
    }));
}

TEST(Delivery, ASinkThatHangsCostsItsOwnQueueOnly) {
    auto owned = std::make_unique<GatedSink>();
    auto* sink = owned.get();
    const auto delivery = start(std::move(owned), 8);
    ASSERT_TRUE(delivery->offer(numbered(0)));
    sink->entered.acquire();
    // The record in the sink's hands keeps its slot.
    for (std::uint64_t i = 1; i < 8; ++i) EXPECT_TRUE(delivery->offer(numbered(i)));
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(delivery->offer(numbered(99)));
    auto stats = delivery->stats();
    EXPECT_EQ(stats.offered, 13);
    EXPECT_EQ(stats.dropped, 5);
    EXPECT_EQ(stats.delivered, 0);
    EXPECT_EQ(stats.queued, 8);
    EXPECT_EQ(stats.peak, 8);
    sink->gate.release();
    EXPECT_EQ(delivery->stop(), 0);
    stats = delivery->stats();
    EXPECT_EQ(stats.delivered, 8);
    EXPECT_EQ(stats.offered, stats.dropped + stats.delivered);
    EXPECT_EQ(sink->thread_name, "sink/a_very_lon");
}

// A delivery with a queue of eight whose sink holds the first record until `sink->gate` opens.
struct Stuck {
    explicit Stuck(Overflow overflow, std::uint32_t block_ms = 20) {
        auto owned = std::make_unique<GatedSink>();
        sink = owned.get();
        delivery = std::make_unique<Delivery>(
            std::move(owned), QueueOptions{.records = 8, .bytes = 0, .overflow = overflow, .block_ms = block_ms},
            RecordFilter());
        delivery->offer(numbered(0));
        sink->entered.acquire();
    }
    void expect_sum() const {
        const auto stats = delivery->stats();
        EXPECT_EQ(stats.offered, stats.filtered + stats.dropped + stats.delivered);
        EXPECT_EQ(stats.queued, 0);
    }
    GatedSink* sink;
    std::unique_ptr<Delivery> delivery;
};

TEST(Delivery, DropsTheOldestWhereThatIsWanted) {
    Stuck stuck(Overflow::drop_oldest);
    for (std::uint64_t i = 1; i <= 100; ++i) EXPECT_TRUE(stuck.delivery->offer(numbered(i)));
    EXPECT_EQ(stuck.delivery->stats().dropped, 92);
    stuck.sink->gate.release();
    EXPECT_EQ(stuck.delivery->stop(), 0);
    EXPECT_EQ(stuck.sink->numbers, (std::vector<std::uint64_t>{0, 93, 94, 95, 96, 97, 98, 99, 100}));
    stuck.expect_sum();
}

TEST(Delivery, DropsTheOldestWhileTheSinkTakes) {
    std::vector<Record> records;
    Delivery delivery(std::make_unique<CaptureSink>(records),
                      QueueOptions{.records = 4, .bytes = 0, .overflow = Overflow::drop_oldest, .block_ms = 1},
                      RecordFilter());
    for (std::uint64_t i = 0; i < 200'000; ++i) EXPECT_TRUE(delivery.offer(numbered(i)));
    EXPECT_EQ(delivery.stop(), 0);
    const auto stats = delivery.stats();
    EXPECT_EQ(stats.delivered, records.size());
    EXPECT_EQ(stats.offered, stats.delivered + stats.dropped);
    std::uint64_t last = 0;
    for (const auto& record : records) {
        const auto number = std::get<Transaction>(record).cookie;
        EXPECT_TRUE(number > last || number == 0);
        last = number;
    }
    EXPECT_EQ(last, 199'999);  // the newest is never the one that goes
}

TEST(Delivery, WaitsForRoomButNotTwiceInVain) {
    Stuck stuck(Overflow::block, 50);
    for (std::uint64_t i = 1; i < 8; ++i) stuck.delivery->offer(numbered(i));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(stuck.delivery->offer(numbered(8)));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 50ms);
    const auto again = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(stuck.delivery->offer(numbered(9)));
    EXPECT_LT(std::chrono::steady_clock::now() - again, 1s);  // 50 s, were each to wait
    stuck.sink->gate.release();
    EXPECT_TRUE(eventually([&] { return stuck.delivery->stats().delivered == 8; }));
    EXPECT_TRUE(stuck.delivery->offer(numbered(10)));
    EXPECT_EQ(stuck.delivery->stop(), 0);
    stuck.expect_sum();
}

TEST(Delivery, BlockLosesNothingOnASinkThatIsSlowOnly) {
    std::vector<Record> records;
    Delivery delivery(std::make_unique<CaptureSink>(records),
                      QueueOptions{.records = 16, .bytes = 0, .overflow = Overflow::block, .block_ms = 1000},
                      RecordFilter());
    for (std::uint64_t i = 0; i < 2000; ++i) EXPECT_TRUE(delivery.offer(numbered(i)));
    EXPECT_EQ(delivery.stop(), 0);
    EXPECT_EQ(records.size(), 2000);
}

TEST(Delivery, ThinsOutAsTheQueueFillsAndWeightsTell) {
    std::vector<Record> records;
    double sum = 0;
    constexpr int rounds = 400;
    for (int round = 0; round < rounds; ++round) {
        // nobody takes anything out: the sink's thread is still in its first sleep, or stuck
        Stuck stuck(Overflow::sample);
        auto error = numbered(1);
        error.status = 500;
        for (std::uint64_t i = 1; i <= 6; ++i) stuck.delivery->offer(numbered(i));
        const auto before = stuck.delivery->stats().queued;
        EXPECT_TRUE(stuck.delivery->offer(error));  // errors are always taken while there is room
        EXPECT_EQ(stuck.delivery->stats().queued, before + 1);
        stuck.sink->gate.release();
        stuck.delivery->stop();
        for (std::size_t i = 1; i + 1 < stuck.sink->weights.size(); ++i) sum += stuck.sink->weights[i];
        EXPECT_EQ(stuck.sink->weights.back(), 1);
        stuck.expect_sum();
    }
    EXPECT_GT(sum / rounds, 5.5);
    EXPECT_LT(sum / rounds, 6.6);
}

TEST(Delivery, TheQueueIsBoundedInBytesToo) {
    std::vector<Record> records;
    const Delivery delivery(
        std::make_unique<CaptureSink>(records),
        QueueOptions{.records = 8192, .bytes = 100 * sizeof(Record), .overflow = Overflow::drop_newest, .block_ms = 1},
        RecordFilter());
    EXPECT_EQ(delivery.stats().capacity, 64);
}

TEST(Delivery, WhatTheFilterKeepsOutDoesNotEnterTheQueue) {
    std::vector<Record> records;
    Delivery delivery(std::make_unique<CaptureSink>(records), QueueOptions{}, *RecordFilter::build({.types = {"loss"}}),
                      "audit");
    EXPECT_EQ(delivery.name(), "audit");
    EXPECT_TRUE(delivery.offer(numbered(1)));
    EXPECT_TRUE(delivery.offer(Record(LossRecord{})));
    EXPECT_EQ(delivery.stop(), 0);
    EXPECT_EQ(delivery.stats().filtered, 1);
    EXPECT_EQ(delivery.stats().delivered, 1);
    EXPECT_EQ(delivery.stats().offered, 2);
}

TEST(Delivery, ReportsWhatAFailingSinkLeft) {
    auto owned = std::make_unique<BrokenSink>();
    auto* sink = owned.get();
    const auto delivery = start(std::move(owned));
    delivery->offer(numbered(1));
    ASSERT_TRUE(eventually([&] { return delivery->stats().delivered == 1; }));
    std::this_thread::sleep_for(300ms);  // flushed well
    sink->works = false;
    delivery->offer(numbered(2));
    delivery->offer(numbered(3));
    EXPECT_TRUE(eventually([&] { return !delivery->stats().able; }));
    EXPECT_TRUE(eventually([&] { return delivery->stats().sink.errors >= 2; }));  // it is tried again
    EXPECT_EQ(delivery->stop(), 2);
    EXPECT_FALSE(delivery->stats().able);
}

TEST(Delivery, RecoversWithTheSink) {
    auto owned = std::make_unique<BrokenSink>();
    auto* sink = owned.get();
    sink->works = false;
    const auto delivery = start(std::move(owned));
    delivery->offer(numbered(1));
    ASSERT_TRUE(eventually([&] { return !delivery->stats().able; }));
    sink->works = true;
    EXPECT_TRUE(eventually([&] { return delivery->stats().able; }));
    EXPECT_EQ(delivery->stop(), 0);
}

TEST(Delivery, DoesNotKeepProcessesAlive) {
    const auto delivery = start(std::make_unique<NullSink>());
    auto process = std::make_shared<const Process>();
    auto transaction = numbered(1);
    transaction.process = process;
    delivery->offer(transaction);
    transaction.process.reset();
    EXPECT_TRUE(eventually([&] { return process.use_count() == 1; }));
}

TEST(Delivery, StatsMayBeReadFromAnotherThread) {
    const auto delivery = start(std::make_unique<NullSink>(), 256);
    std::jthread reader([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            const auto stats = delivery->stats();
            EXPECT_LE(stats.delivered + stats.dropped, stats.offered);
            EXPECT_LE(stats.peak, 256);
        }
    });
    for (std::uint64_t i = 0; i < 50'000; ++i) delivery->offer(numbered(i));
    reader.request_stop();
    reader.join();
    EXPECT_EQ(delivery->stop(), 0);
    const auto stats = delivery->stats();
    EXPECT_EQ(stats.offered, 50'000);
    EXPECT_EQ(stats.delivered + stats.dropped, 50'000);
}

}  // namespace
}  // namespace sonde
