// What evaluating alert rules costs: budget 1% of a core at one evaluation a second (DESIGN §8's manner: run by hand).
#include <benchmark/benchmark.h>

#include <deque>

#include "tests/support/alert_world.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ms = 1'000'000;

// rules: over signals and thresholds in turns, none of which is reached; all endpoints busy in every second.
void evaluate(benchmark::State& state) {
    const auto rule_count = static_cast<std::size_t>(state.range(0));
    const auto routes = static_cast<std::size_t>(state.range(1));
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
                                                                          : 0.99;
        rule.window_s = i % 2 == 0 ? 60 : 300;
        rules.push_back(rule);
    }
    AlertWorld world(rules);
    std::deque<std::string> names;
    for (std::size_t i = 0; i < routes; ++i) {
        names.push_back("/route/" + std::to_string(i));
        world.endpoint(i % 4 == 0 ? "shop" : "db", names.back());
    }
    const auto second = [&](std::uint32_t count) {
        for (std::uint32_t id = 0; id < routes; ++id)
            world.add(id, count, id % 50 == 0 ? 500 : 200, (1 + id % 40) * ms, ms / 4);
    };
    for (int s = 0; s < 330; ++s) {  // windows full
        second(2);
        world.step();
    }
    for (auto _ : state) {
        state.PauseTiming();
        second(2);
        state.ResumeTiming();
        world.step();
    }
    state.counters["percent_of_a_core"] = benchmark::Counter(static_cast<double>(state.iterations()) * 100,
                                                             benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state.counters["window_MiB"] = static_cast<double>(world.evaluator.bytes()) / (1024 * 1024);
}
BENCHMARK(evaluate)
    ->ArgNames({"rules", "routes"})
    ->Args({25, 200})
    ->Args({25, 2000})
    ->Args({500, 2000})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
