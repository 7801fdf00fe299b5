#include "agent/command/delivery_metrics.hpp"

#include <limits>

namespace sonde {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

// Adds samples of one delivery, which share their labels.
class Adder {
public:
    Adder(std::vector<Sample>& out, Labels labels) : out_(out), labels_(std::move(labels)) {}
    void counter(const char* name, const char* help, double value, const Labels& more = {}) {
        add(SampleType::counter, name, help, value, more);
    }
    void gauge(const char* name, const char* help, double value, const Labels& more = {}) {
        add(SampleType::gauge, name, help, value, more);
    }
    void histogram(const char* name, const char* help, double sum,
                   std::vector<std::pair<double, std::uint64_t>> buckets) {
        out_.push_back({name, help, SampleType::histogram, labels_, sum, std::move(buckets)});
    }

private:
    void add(SampleType type, const char* name, const char* help, double value, const Labels& more) {
        auto labels = labels_;
        labels.insert(labels.end(), more.begin(), more.end());
        out_.push_back({name, help, type, std::move(labels), value, {}});
    }
    std::vector<Sample>& out_;
    const Labels labels_;
};

double number(std::uint64_t value) { return static_cast<double>(value); }

void add_queue(Adder& add, const DeliveryStats& stats) {
    add.gauge("sonde_queue_size", "Number of records waiting in the queue.", number(stats.queued));
    add.gauge("sonde_queue_peak", "Largest number of records that waited in the queue.", number(stats.peak));
    add.gauge("sonde_queue_capacity", "Number of records the queue can hold.", number(stats.capacity));
    add.counter("sonde_queue_offered_total", "Number of records offered to the queue.", number(stats.offered));
    add.counter("sonde_queue_filtered_total", "Number of records that the sink's filter kept out.",
                number(stats.filtered));
    add.counter("sonde_queue_dropped_total", "Number of records refused because the queue was full.",
                number(stats.dropped));
}

void add_sink(Adder& add, const DeliveryStats& stats) {
    add.counter("sonde_sink_records_total", "Number of records handed to the sink.", number(stats.sink.records));
    add.counter("sonde_sink_bytes_total", "Number of bytes the destination accepted.", number(stats.sink.bytes));
    add.counter("sonde_sink_failed_records_total", "Number of records that could not be delivered.",
                number(stats.sink.failed_records));
    add.counter("sonde_sink_errors_total", "Number of operations of the sink that failed.", number(stats.sink.errors));
    add.gauge("sonde_sink_able", "Whether the sink's last operation succeeded: 1 yes, 0 no.", stats.able ? 1 : 0);
}

void add_latency(Adder& add, const AttemptLatency& latency) {
    std::vector<std::pair<double, std::uint64_t>> buckets;
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < latency.counts.size(); ++i) {
        count += latency.counts[i];
        const bool last = i == AttemptLatency::upper_ms.size();
        buckets.emplace_back(last ? std::numeric_limits<double>::infinity() : AttemptLatency::upper_ms[i] / 1000.0,
                             count);
    }
    add.histogram("sonde_sink_attempt_seconds", "Time that attempts to send a batch took, answered or not.",
                  number(latency.sum_ns) * 1e-9, std::move(buckets));
}

void add_export(Adder& add, const ExportStats& stats) {
    add.counter("sonde_sink_delivered_records_total", "Number of records that the destination took.",
                number(stats.delivered));
    add.counter("sonde_sink_recovered_records_total", "Number of records found in the spool at start.",
                number(stats.recovered));
    add.counter("sonde_sink_diverted_records_total", "Number of records that went to the fallback.",
                number(stats.diverted));
    add.counter("sonde_sink_skipped_records_total", "Number of records that the protocol has no form for.",
                number(stats.skipped));
    for (std::size_t i = 0; i < drop_reason_count; ++i)
        add.counter("sonde_sink_dropped_records_total", "Number of records given up, by reason.",
                    number(stats.dropped[i]), {{"reason", std::string(drop_reason_names[i])}});
    add.gauge("sonde_sink_pending_records", "Number of records in the sink's memory.", number(stats.pending));
    add.gauge("sonde_sink_spooled_records", "Number of records on disk.", number(stats.spooled));
    add.gauge("sonde_sink_spool_bytes", "Size of the spool on disk.", number(stats.spool_bytes));
    add.counter("sonde_sink_batches_total", "Number of batches delivered.", number(stats.batches));
    add.counter("sonde_sink_attempts_total", "Number of attempts to send a batch.", number(stats.attempts));
    add.counter("sonde_sink_retries_total", "Number of attempts that followed a failure.", number(stats.retries));
    if (stats.attempts > 0)
        add.gauge("sonde_sink_success_ratio", "Attempts that delivered, of all since start: 0 to 1.",
                  number(stats.attempts - stats.failures) / number(stats.attempts));
    if (stats.batches > 0)
        add.gauge("sonde_sink_batch_records", "Number of records in a delivered batch on average.",
                  number(stats.delivered) / number(stats.batches));
    if (stats.last_success_ns > 0)
        add.gauge("sonde_sink_last_success_timestamp_seconds", "When a batch was last delivered.",
                  number(stats.last_success_ns) * 1e-9);
    for (const auto state : {BreakerState::closed, BreakerState::open, BreakerState::half_open})
        add.gauge("sonde_sink_breaker_state", "The circuit breaker's state: 1 for the one it is in.",
                  stats.breaker == state ? 1 : 0, {{"state", std::string(to_string(state))}});
    add.counter("sonde_sink_breaker_opened_total", "Number of times the circuit breaker opened.",
                number(stats.breaker_opened));
    add.gauge("sonde_sink_degraded", "Whether records go to the fallback: 1 yes, 0 no.", stats.degraded ? 1 : 0);
    add_latency(add, stats.latency);
}

}  // namespace

void append_delivery_samples(std::vector<Sample>& out, const Delivery& delivery) {
    const auto stats = delivery.stats();
    const std::string name(delivery.name());
    Adder queue(out, {{"queue", "sink/" + name}});
    add_queue(queue, stats);
    Adder sink(out, {{"sink", name}});
    add_sink(sink, stats);
    if (delivery.paced()) add_export(sink, stats.sink.exported);
}

std::string unwritten_text(const Delivery& delivery) {
    const auto stats = delivery.stats();
    std::string out;
    const auto add = [&](std::uint64_t count, std::string_view reason) {
        if (count == 0) return;
        out += ", " + std::to_string(count) + " not written (sink " + std::string(delivery.name()) + ": " +
               std::string(reason) + ")";
    };
    add(stats.dropped, "queue full");
    if (!delivery.paced()) {
        add(stats.sink.failed_records, "failed");
        add(stats.refused, "left at the end");
        return out;
    }
    add(stats.queued, "left in the queue");
    for (std::size_t i = 0; i < drop_reason_count; ++i) add(stats.sink.exported.dropped[i], drop_reason_names[i]);
    return out;
}

}  // namespace sonde
