// What evaluating alert rules costs: budget 1% of a core at one evaluation a second (DESIGN §8's manner: run by hand).
#include <benchmark/benchmark.h>

#include <chrono>
#include <deque>

#include "tests/support/alert_world.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ms = 1'000'000;

// rules: over signals and thresholds in turns; every endpoint is busy in every second. With `firing`, one rule of 8 has
// an alert for each route of a fiftieth: an evening on which much is wrong.
void evaluate(benchmark::State& state) {
    const auto rule_count = static_cast<std::size_t>(state.range(0));
    const auto routes = static_cast<std::size_t>(state.range(1));
    const bool firing = state.range(2) != 0;
    using S = AlertSignal;
    constexpr std::array signals{S::status_share, S::error_share, S::p95,           S::p99,
                                 S::queue_share,  S::cpu_share,   S::blocked_share, S::request_rate};
    std::vector<AlertRule> rules;
    for (std::size_t i = 0; i < rule_count; ++i) {
        AlertRule rule;
        rule.name = "rule_" + std::to_string(i);
        rule.signal = signals[i % signals.size()];
        rule.threshold = rule.signal == S::request_rate                   ? 1e9
                         : rule.signal == S::p95 || rule.signal == S::p99 ? 60
                                                                          : 0.999;
        if (firing && rule.signal == S::error_share) rule.threshold = 0.4;
        rule.window_s = i % 2 == 0 ? 60 : 300;
        rules.push_back(rule);
    }
    AlertWorld world(rules);
    std::deque<std::string> names;
    for (std::size_t i = 0; i < routes; ++i) {
        names.push_back("/route/" + std::to_string(i));
        world.endpoint(i % 4 == 0 ? "shop" : "db", names.back());
    }
    for (std::uint32_t id = 0; id < routes; ++id) {
        world.add(id, 1, id % 50 == 0 ? 500 : 200, (1 + id % 40) * ms, ms / 4);
        world.add(id, 1, 200, (1 + id % 40) * ms, ms / 4);
    }
    const auto cells = world.encode();                // what the history gives, each second the same
    for (int s = 0; s < 330; ++s) world.step(cells);  // windows full
    const auto begin = std::chrono::steady_clock::now();
    for (auto _ : state) world.step(cells);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    if (world.evaluator.book().alerts().empty() == firing) state.SkipWithError("not the alerts that were meant");
    state.counters["alerts"] = static_cast<double>(world.evaluator.book().alerts().size());
    state.counters["percent_of_a_core"] = took.count() / static_cast<double>(state.iterations()) * 100;  // one a second
    state.counters["window_MiB"] = static_cast<double>(world.evaluator.bytes()) / (1024 * 1024);
}
BENCHMARK(evaluate)
    ->ArgNames({"rules", "routes", "firing"})
    ->Args({25, 200, 0})
    ->Args({25, 2000, 0})
    ->Args({500, 2000, 0})
    ->Args({500, 2000, 1})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
