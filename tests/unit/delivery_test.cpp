#include "sinks/delivery.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <semaphore>
#include <string>
#include <vector>

#include "sinks/capture_sink.hpp"
#include "sinks/null_sink.hpp"

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

template <typename Condition>
bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

// Stays in write() until the gate opens; notes the thread's name.
class GatedSink final : public Sink {
public:
    [[nodiscard]] std::string_view name() const override { return "a_very_long_name"; }
    void write(const Record&) override {
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
    const auto* sink = owned.get();
    const auto delivery = start(std::move(owned));
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(sink->flushes, 0);  // nothing to flush
    delivery->offer(numbered(1));
    EXPECT_TRUE(eventually([&] { return sink->flushes == 1; }));
    EXPECT_EQ(delivery->stats().delivered, 1);
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
