// What a decision of the sampler costs per transaction: with the default, which keeps all, and with every part in use.
#include <benchmark/benchmark.h>

#include <array>
#include <string_view>

#include "agent/sample/sampler.hpp"

namespace sonde {
namespace {

constexpr std::array<std::string_view, 4> routes{"/orders/{id}", "/orders", "/users/{id}/cart", "/search"};

void offer(benchmark::State& state, const SamplingConfig& config) {
    std::size_t kept = 0;
    Sampler sampler(*SamplingPolicy::build(config), [&](const Transaction&, bool) { ++kept; });
    Transaction transaction;
    transaction.service = "shop";
    transaction.path.assign("/orders/42");
    transaction.status = 200;
    transaction.outcome = Outcome::ok;
    std::uint64_t now_ns = 0;
    for (auto _ : state) {
        now_ns += 10'000;
        transaction.route = routes[now_ns / 10'000 % routes.size()];
        transaction.time_ns = now_ns;
        transaction.duration_ns = 1'000'000 + now_ns % 999'983;
        sampler.offer(transaction, {.transaction = transaction, .trace_high = now_ns, .trace_low = 1}, now_ns);
    }
    benchmark::DoNotOptimize(kept);
}

void keep_all(benchmark::State& state) { offer(state, {}); }

void every_part(benchmark::State& state) {
    offer(state, {.head_rate = 0.1,
                  .skip_paths = {"/healthz", "/readyz"},
                  .rules = {{.name = "admin", .routes = {"/admin/*"}, .rate = 1},
                            {.name = "missing", .status_min = 404, .status_max = 404, .rate = 0.5}},
                  .route_per_second = 10});
}

BENCHMARK(keep_all);
BENCHMARK(every_part);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
