// What the history costs the pipeline's thread: build/release/tests/history_bench. observe: per transaction (nothing
// kept beyond the allowance of a second); close: a second with so many busy endpoints, once a second.
#include <benchmark/benchmark.h>

#include "agent/history/history.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

std::vector<std::string> make_routes(std::size_t count) {
    std::vector<std::string> routes;
    for (std::size_t i = 0; i < count; ++i) routes.push_back("/api/v1/things/" + std::to_string(i) + "/{id}");
    return routes;
}

Transaction make_transaction() {
    Transaction t;
    t.service = "shop:8080";
    t.method.assign("GET");
    t.path.assign("/api/v1/things/1/2");
    t.status = 200;
    t.outcome = Outcome::ok;
    t.phase_ns = {21'000, 0, 900'000, 12'000, 1'900'000, 80'000};
    t.server.port = 8080;
    return t;
}

void observe(benchmark::State& state) {
    const auto routes = make_routes(static_cast<std::size_t>(state.range(0)));
    History history;
    auto t = make_transaction();
    std::size_t i = 0;
    for (auto _ : state) {
        t.route = routes[i % routes.size()];
        t.duration_ns = 1'000'000 + (i++ * 7919) % 3'000'000;
        history.feed().observe(t);
    }
    state.SetItemsProcessed(state.iterations());
}

void close_second(benchmark::State& state) {
    const auto routes = make_routes(static_cast<std::size_t>(state.range(0)));
    History history;
    auto t = make_transaction();
    auto second = history.started_s();
    history.feed().advance(second * ns_per_s);
    for (auto _ : state) {
        state.PauseTiming();
        for (const auto& route : routes)
            for (std::uint64_t i = 1; i <= 5; ++i) {
                t.route = route;
                t.duration_ns = i * 1'000'000;
                history.feed().observe(t);
            }
        while (history.take_in(std::chrono::milliseconds(0))) {
        }
        state.ResumeTiming();
        history.feed().advance(++second * ns_per_s);
    }
}

void window_of_a_minute(benchmark::State& state) {
    const auto routes = make_routes(static_cast<std::size_t>(state.range(0)));
    History history;
    auto t = make_transaction();
    auto second = history.started_s();
    for (int i = 0; i < 70; ++i) {
        for (const auto& route : routes) {
            t.route = route;
            t.duration_ns = 1'000'000;
            history.feed().observe(t);
        }
        history.feed().advance(++second * ns_per_s);
        while (history.take_in(std::chrono::milliseconds(0))) {
        }
    }
    for (auto _ : state) benchmark::DoNotOptimize(history.window(60, 30).endpoints.size());
}

BENCHMARK(observe)->Arg(20)->Arg(2000);
BENCHMARK(close_second)->Arg(20)->Arg(2000)->Unit(benchmark::kMicrosecond);
BENCHMARK(window_of_a_minute)->Arg(20)->Arg(2000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
