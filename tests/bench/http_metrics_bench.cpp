// What a transaction costs in RouteTable and HttpMetrics, beside prometheus-cpp's own histogram in the same run.
#include <benchmark/benchmark.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/metric/http_metrics.hpp"
#include "agent/route/route_table.hpp"

namespace sonde {
namespace {

Transaction make(std::string_view route) {
    Transaction t;
    t.method.assign("GET");
    t.route = route;
    t.service = "shop";
    t.status = 200;
    t.outcome = Outcome::ok;
    t.request_body_bytes = 0;
    t.response_body_bytes = 1500;
    t.server.port = 8080;
    t.phase_ns = {21'000, 900'000, 12'000, 1'900'000, 80'000};
    return t;
}

// Arg: number of routes that take turns.
void observe(benchmark::State& state) {
    HttpMetrics metrics;
    std::vector<std::string> routes;
    for (std::int64_t i = 0; i < state.range(0); ++i) routes.push_back("/api/v1/resource/{id}/" + std::to_string(i));
    std::vector<Transaction> transactions;
    for (const auto& route : routes) transactions.push_back(make(route));
    std::size_t i = 0;
    std::uint64_t ns = 12345;
    for (auto _ : state) {
        auto& t = transactions[i];
        t.duration_ns = ns = (ns * 1103515245 + 12345) & 0x3ffffff;
        metrics.observe(t);
        if (++i == transactions.size()) i = 0;
    }
}
BENCHMARK(observe)->Arg(1)->Arg(100)->Arg(2000);

// One histogram, no labels to look up: observe() above feeds up to eight of them.
void prometheus_histogram(benchmark::State& state) {
    prometheus::Histogram histogram({DurationBounds::shown.begin(), DurationBounds::shown.end()});
    std::uint64_t ns = 12345;
    for (auto _ : state) {
        ns = (ns * 1103515245 + 12345) & 0x3ffffff;
        histogram.Observe(static_cast<double>(ns) * 1e-9);
    }
}
BENCHMARK(prometheus_histogram);

void duration_histogram(benchmark::State& state) {
    DurationHistogram histogram;
    std::uint64_t ns = 12345;
    for (auto _ : state) {
        ns = (ns * 1103515245 + 12345) & 0x3ffffff;
        histogram.observe(ns);
    }
}
BENCHMARK(duration_histogram);

void quantile_histogram(benchmark::State& state) {
    QuantileHistogram histogram;
    std::uint64_t ns = 12345;
    for (auto _ : state) {
        ns = (ns * 1103515245 + 12345) & 0x3ffffff;
        histogram.add(ns);
        benchmark::DoNotOptimize(histogram);
    }
}
BENCHMARK(quantile_histogram);

// Arg: number of different paths. 64 fit the cache of exact paths, 100,000 do not.
void route(benchmark::State& state) {
    RouteTable table;
    std::vector<std::string> paths;
    for (std::int64_t i = 0; i < state.range(0); ++i)
        paths.push_back("/api/v1/orders/" + std::to_string(i) + "/items/550e8400-e29b-41d4-a716-446655440000");
    std::size_t i = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(table.route("shop", paths[i]));
        if (++i == paths.size()) i = 0;
    }
}
BENCHMARK(route)->Arg(1)->Arg(64)->Arg(100'000);

void scrape(benchmark::State& state) {
    HttpMetrics metrics;
    for (std::int64_t i = 0; i < state.range(0); ++i) metrics.observe(make("/r" + std::to_string(i)));
    for (auto _ : state) benchmark::DoNotOptimize(metrics.Collect());
}
BENCHMARK(scrape)->Arg(100)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
