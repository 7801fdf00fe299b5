// What Boost.JSON does with a log line of 335 bytes and an event of 600: work of others, which says how quick a machine
// is. The budgets that are absolute were set where parsing took 875 ns and making the event 1562 ns.
#include <benchmark/benchmark.h>

#include <boost/json/src.hpp>
#include <cstdlib>
#include <string>

namespace json = boost::json;

namespace {

constexpr std::string_view log_line =
    R"({"timestamp":"2026-01-02T03:04:05.678Z","level":"info","logger":"shop.orders","msg":"order 729 of customer )"
    R"(41 was paid","http":{"method":"POST","path":"/orders/729","status":200},"user_id":817263,"region":)"
    R"("eu-central-1","version":"1.14.2","host":"shop-7f9c4d5b6-x2x8q","duration_ms":12.47,"trace_id":)"
    R"("4bf92f3577b34da6a3ce929d0e0e4736"})";
static_assert(log_line.size() == 335);

void boost_parse(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(json::parse(json::string_view(log_line.data(), log_line.size())));
}
BENCHMARK(boost_parse);

json::object event() {
    json::object line;
    line["type"] = "transaction";
    line["time"] = "2026-01-02T03:04:05.678901234Z";
    line["side"] = "server";
    line["service"] = "shop";
    line["method"] = "GET";
    line["route"] = "/orders/{id}/items/{id}";
    line["path"] = "/orders/42/items/7";
    line["status"] = 200;
    line["outcome"] = "ok";
    line["protocol"] = "http/1.1";
    line["tls"] = false;
    line["duration_ns"] = 2'913'000;
    line["phases"] = {{"queue_ns", 21'000},
                      {"cpu_ns", nullptr},
                      {"runqueue_ns", 12'000},
                      {"blocked_ns", 1'900'000},
                      {"transfer_ns", 80'000}};
    line["response_bytes"] = 1840;
    line["host"] = "shop.internal:8080";
    line["server"] = {{"address", "10.0.0.5"}, {"port", 8080}};
    line["client"] = {{"address", "203.0.113.9"}, {"port", 51234}};
    line["process"] = {{"pid", 211}, {"tid", 214}, {"comm", "gunicorn"}, {"exe", "/usr/bin/python3.11"}};
    line["unobserved"] = {"cpu"};
    return line;
}

void boost_serialize(benchmark::State& state) {
    if (const auto size = json::serialize(event()).size(); size != 600)
        state.SkipWithError(("the event is of " + std::to_string(size) + " bytes").c_str());
    for (auto _ : state) benchmark::DoNotOptimize(json::serialize(event()));
}
BENCHMARK(boost_serialize);

}  // namespace

BENCHMARK_MAIN();
