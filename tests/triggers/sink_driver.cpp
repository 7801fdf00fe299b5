// Drives one sink for the integration tests, as an agent would: sink_driver TYPE DESTINATION SPOOL COUNT PAUSE_US
// [SIGNAL [json]], the last two for otlp.
// Prints one line per second and one at the end: its numbers as JSON. Ends after COUNT records, once all of them are
// delivered or dropped, or by SIGTERM. SPOOL "-": none.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "sinks/make_sink.hpp"
#include "tests/support/records.hpp"

namespace {

std::atomic<bool> stopping{false};

std::vector<prometheus::MetricFamily> metrics() {
    using prometheus::MetricType;
    prometheus::MetricFamily counter{"driver_requests_total", "Requests.", MetricType::Counter, {}};
    counter.metric.emplace_back().counter.value = 42;
    counter.metric.back().label = {{"route", "/orders/{id}"}};
    prometheus::MetricFamily histogram{"driver_seconds", "Durations.", MetricType::Histogram, {}};
    histogram.metric.emplace_back().histogram = {5, 2.25, {{2, 0.0001}, {4, 0.5}}};
    return {counter, histogram};
}

// Durations of 2^k/8 … seconds, so that bounds in any base are easy to check.
std::vector<sonde::ExponentialFamily> exponential() {
    sonde::ExponentialSnapshot histogram;
    histogram.scale = 3;
    histogram.offset = -24;
    histogram.counts = {3, 0, 4, 5};
    histogram.zero_count = 2;
    histogram.zero_threshold = 0.0009765625;
    histogram.count = 14;
    histogram.sum = 2.25;
    return {{"http_server_request_duration_seconds",
             "Durations.",
             {{{{"http_route", "/a"}, {"service_name", "shop"}}, histogram}}}};
}

sonde::LogLinePtr sample_line(std::uint64_t number) {
    auto line = std::make_shared<sonde::LogLine>();
    auto& record = line->record;
    record.time_ns = 1'700'000'000'000'000'000 + number;
    record.observed_ns = record.time_ns + 5;
    record.severity = sonde::Severity::error;
    record.severity_text = "ERR";
    record.message = "cannot pay \"x\"";
    record.source.pid = 211;
    record.add_attribute("user", "ann");
    record.add_attribute("items", "3", sonde::AttributeType::number);
    record.add_attribute("ok", "false", sonde::AttributeType::boolean);
    line->service = "shop";
    line->match = sonde::LogMatch::thread;
    line->confidence = 1;
    line->request_span_id = 0x1122334455667788 + number;
    line->request_trace_id.assign("4bf92f3577b34da6a3ce929d0e0e4736");
    return line;
}

bool parse_type(const std::string& text, sonde::SinkType& type) {
    using sonde::SinkType;
    for (const auto each :
         {SinkType::http, SinkType::loki, SinkType::otlp, SinkType::prometheus_remote_write, SinkType::statsd})
        if (sonde::to_string(each) == text) {
            type = each;
            return true;
        }
    return false;
}

void print(const sonde::Delivery& delivery) {
    const auto stats = delivery.stats();
    const auto& sent = stats.sink.exported;
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf(
        "{\"offered\":%llu,\"queue_dropped\":%llu,\"queued\":%llu,\"written\":%llu,\"recovered\":%llu,"
        "\"delivered\":%llu,\"pending\":%llu,\"spooled\":%llu,\"dropped\":%llu}\n",
        number(stats.offered), number(stats.dropped), number(stats.queued), number(sent.written),
        number(sent.recovered), number(sent.delivered), number(sent.pending), number(sent.spooled),
        number(sent.dropped_total()));
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    using namespace std::chrono_literals;
    sonde::SinkOptions options;
    if (argc < 6 || argc > 8 || !parse_type(argv[1], options.type)) {
        std::fprintf(stderr, "usage: sink_driver TYPE DESTINATION SPOOL COUNT PAUSE_US [SIGNAL [json]]\n");
        return 2;
    }
    std::signal(SIGTERM, [](int) { stopping = true; });
    options.http.url = argv[2];
    options.statsd.address = argv[2];
    options.remote_write.interval_ms = options.otlp.interval_ms = 1000;
    if (argc > 6) options.otlp.signals = {argv[6]};
    if (argc > 7) options.otlp.format = sonde::OtlpFormat::json;
    options.batch = {.records = 50, .bytes = 1 << 20, .time_ms = 20};
    options.retry.base_delay_ms = 20;
    options.retry.max_delay_ms = 100;
    options.breaker.open_ms = 100;
    options.queue.overflow = sonde::Overflow::block;
    options.queue.block_ms = 1000;
    if (std::string(argv[3]) != "-") options.spool.directory = argv[3];
    auto delivery = sonde::make_delivery(options, {.collect = metrics, .exponential = exponential});
    if (!delivery) {
        std::fprintf(stderr, "%s\n", delivery.error().message().c_str());
        return 1;
    }
    const auto count = std::strtoull(argv[4], nullptr, 10);
    const auto pause = std::chrono::microseconds(std::strtoull(argv[5], nullptr, 10));
    const auto life = std::to_string(::getpid());
    auto shown = std::chrono::steady_clock::now();
    const auto settled = [&] {
        const auto stats = (*delivery)->stats();
        return stats.queued == 0 && stats.sink.exported.pending == 0 && stats.sink.exported.spooled == 0;
    };
    for (std::uint64_t number = 1; !stopping; ++number) {
        const auto carries = sonde::carried_by(options);
        if (number <= count && carries == sonde::Carries::logs) {
            (*delivery)->offer(sonde::Record(sample_line(number)));
        } else if (number <= count && carries != sonde::Carries::nothing) {
            auto transaction = sonde::sample_transaction(number);
            transaction.trace.request_id.assign(life);  // no two lives send the same
            (*delivery)->offer(transaction);
        } else if (count > 0 && settled() && (*delivery)->stats().sink.exported.delivered > 0) {
            break;
        }
        if (pause > 0us || number > count) std::this_thread::sleep_for(std::max(pause, 100us));
        if (const auto now = std::chrono::steady_clock::now(); now - shown >= 1s) {
            print(**delivery);
            shown = now;
        }
    }
    (*delivery)->stop();
    print(**delivery);
    return 0;
}
