// Loss lines and full queues; the agent's last line.
#include <gtest/gtest.h>

#include <semaphore>

#include "agent/command/delivery_metrics.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "agent/source/synthetic_source.hpp"
#include "sinks/capture_sink.hpp"

namespace sonde {
namespace {

// Keeps what it is given, once the gate is open.
class GatedCapture final : public Sink {
public:
    explicit GatedCapture(std::vector<Record>& records) : capture_(records) {}
    [[nodiscard]] std::string_view name() const override { return "slow"; }
    void write(const Record& record) override {
        entered.release();
        gate.acquire();
        gate.release();
        capture_.write(record);
    }
    Status flush() override { return capture_.flush(); }
    [[nodiscard]] SinkStats stats() const override { return capture_.stats(); }

    std::counting_semaphore<> entered{0};
    std::counting_semaphore<> gate{0};

private:
    CaptureSink capture_;
};

std::uint64_t lost_in(const std::vector<Record>& records) {
    std::uint64_t sum = 0;
    for (const auto& record : records)
        if (const auto* loss = std::get_if<LossRecord>(&record)) sum += loss->since_last.lost_total();
    return sum;
}

TEST(PipelineLosses, ALineThatAFullQueueRefusesIsToldInTheNext) {
    std::vector<Record> slow_records, quick_records;
    auto owned = std::make_unique<GatedCapture>(slow_records);
    auto* sink = owned.get();
    SyntheticSource source;
    HttpMetrics metrics;
    Delivery slow(std::move(owned), 2);
    Delivery quick(std::make_unique<CaptureSink>(quick_records));
    Pipeline pipeline({.read_proc = false}, metrics);
    pipeline.add(slow);
    pipeline.add(quick);
    slow.offer(Transaction{});
    sink->entered.acquire();  // in the sink's hands, and in the queue of two
    for (std::uint64_t lost = 1; lost <= 5; ++lost) {
        source.set_lost(SONDE_REC_PROGRESS, SONDE_LOSS_RING_FULL, lost * 10);
        pipeline.tick(source);
    }
    EXPECT_EQ(slow.stats().dropped, 4);
    sink->gate.release();
    while (slow.stats().queued > 0) std::this_thread::yield();
    pipeline.tick(source);  // nothing new was lost: what was refused is told nevertheless
    pipeline.tick(source);
    EXPECT_EQ(slow.stop(), 0);
    EXPECT_EQ(quick.stop(), 0);
    EXPECT_EQ(slow_records.size(), 3);
    EXPECT_EQ(lost_in(slow_records), 50);
    EXPECT_EQ(quick_records.size(), 5);
    EXPECT_EQ(lost_in(quick_records), 50);
    EXPECT_EQ(unwritten_text(slow), ", 4 not written (sink slow: queue full)");
    EXPECT_EQ(unwritten_text(quick), "");
}

TEST(DeliveryMetrics, HaveTheQueueAndTheSink) {
    std::vector<Record> records;
    Delivery delivery(std::make_unique<CaptureSink>(records));
    delivery.offer(Transaction{});
    delivery.stop();
    std::vector<Sample> samples;
    append_delivery_samples(samples, delivery);
    const auto value = [&](std::string_view family) {
        for (const auto& sample : samples)
            if (sample.family == family) return sample.value;
        return -1.0;
    };
    EXPECT_EQ(value("sonde_queue_offered_total"), 1);
    EXPECT_EQ(value("sonde_sink_records_total"), 1);
    EXPECT_EQ(value("sonde_sink_able"), 1);
    EXPECT_EQ(value("sonde_sink_attempts_total"), -1);  // only of sinks that send batches
}

}  // namespace
}  // namespace sonde
