// Redaction of log lines, default patterns, at 2% and 30% of lines with a secret, against what one would write first:
// RE2::Set and then RE2, RE2 one by one, std::regex. All in one run: the ratios hold on any machine.
#include <benchmark/benchmark.h>
#include <re2/re2.h>
#include <re2/set.h>

#include <array>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "agent/redact/expression.hpp"
#include "agent/redact/named_value.hpp"
#include "agent/redact/redactor.hpp"

namespace sonde {
namespace {

// Lines of services as they come: access logs, JSON, key=value, a traceback's frame.
constexpr std::array<std::string_view, 8> plain_lines{
    R"({"time":"2026-01-02T03:04:05.678Z","level":"info","logger":"shop.orders","message":"order 71829 placed in 12 ms","route":"/orders/{id}","status":201,"duration_ms":12.4,"items":3})",
    R"(203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] "GET /orders/42/items?page=2&sort=price HTTP/1.1" 200 1840 "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36")",
    R"(2026-01-02 03:04:05,678 INFO  [http-nio-8080-exec-7] c.e.shop.OrderController - loaded 42 rows from orders in 3 ms, cache hit ratio 0.93, 17 connections idle)",
    R"(ts=2026-01-02T03:04:05Z level=debug component=scheduler msg="job finished" job=reindex-products duration=1.204s rows=18234 worker=7)",
    R"(  File "/srv/app/orders/views.py", line 118, in get_queryset, return super().get_queryset().select_related("customer", "warehouse"))",
    R"({"level":"warn","ts":1767323045.678,"caller":"pool/conn.go:211","msg":"slow query","table":"inventory","took":"184ms","plan":"index scan on inventory_sku_idx"})",
    R"(Jan  2 03:04:05 node-7 kubelet[1211]: I0102 03:04:05.678901 1211 reconciler.go:224] operation started for volume config on pod shop-7d9f8b6c5-x2lqp)",
    R"([2026-01-02T03:04:05.678Z] "POST /checkout HTTP/2" 200 - via_upstream 512 1284 18 17 "10.0.0.7" "shop/1.18.2" "9b2f6c1e-8c4d-4f7a-b1e2-0d9c3a5f7e11" "shop.local")"};
constexpr std::array<std::string_view, 8> secrets{"user=ann.b@example.co.uk",
                                                  "card 4111 1111 1111 1111",
                                                  "password=hunter2",
                                                  "Authorization: Bearer abcDEF123456789xyzXYZ",
                                                  R"("api_key":"9f86d081884c7d659a2feaa0")",
                                                  "postgres://app:hunter2@db:5432/shop",
                                                  "AKIAIOSFODNN7EXAMPLE",
                                                  "call +49 30 1234567"};

std::vector<std::string> make_lines(int hits_percent) {
    constexpr std::size_t count = 4000;
    std::mt19937 random(7);
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < count; ++i) {
        lines.emplace_back(plain_lines[random() % plain_lines.size()]);
        if (static_cast<int>(random() % 100) < hits_percent)
            lines.back().append(" ").append(secrets[random() % secrets.size()]);
    }
    return lines;
}

std::vector<std::string> all_expressions() {
    std::vector<std::string> all{named_value_regex(default_telling_names())};
    for (const auto& pattern : builtin_patterns())
        if (pattern.enabled_by_default) all.emplace_back(pattern.regex);
    return all;
}

template <typename Line>
void run(benchmark::State& state, std::size_t line_count, Line on_line) {
    auto lines = make_lines(static_cast<int>(state.range(0)));
    lines.resize(std::min(lines.size(), line_count));
    std::size_t bytes = 0;
    for (const auto& line : lines) bytes += line.size();
    for (auto _ : state)
        for (const auto& line : lines) on_line(line);
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
}

void redactor(benchmark::State& state) {
    Redactor redactor(RedactionPolicy::defaults());
    run(state, 4000,
        [&](const std::string& line) { benchmark::DoNotOptimize(redactor.text(line, Place::message).text.data()); });
}

void prefilter(benchmark::State& state) {
    std::vector<std::string> names;
    for (const auto& name : default_telling_names()) names.push_back(name.name);
    const Prefilter filter(names);
    run(state, 4000, [&](const std::string& line) { benchmark::DoNotOptimize(filter.candidates(line)); });
}

void re2_set_then_replace(benchmark::State& state) {
    const auto all = all_expressions();
    RE2::Set set(expression_options(64 << 20), RE2::UNANCHORED);
    std::vector<std::unique_ptr<RE2>> single;
    for (const auto& regex : all) {
        set.Add(regex, nullptr);
        single.push_back(std::make_unique<RE2>(regex, expression_options()));
    }
    set.Compile();
    std::vector<int> matched;
    std::string copy;
    run(state, 4000, [&](const std::string& line) {
        if (!set.Match(line, &matched)) return;
        copy = line;
        for (const auto index : matched) RE2::GlobalReplace(&copy, *single[static_cast<std::size_t>(index)], "***");
        benchmark::DoNotOptimize(copy.data());
    });
}

void re2_one_by_one(benchmark::State& state) {
    std::vector<std::unique_ptr<RE2>> single;
    for (const auto& regex : all_expressions()) single.push_back(std::make_unique<RE2>(regex, expression_options()));
    std::string copy;
    run(state, 1000, [&](const std::string& line) {
        copy = line;
        for (const auto& expression : single) RE2::GlobalReplace(&copy, *expression, "***");
        benchmark::DoNotOptimize(copy.data());
    });
}

void std_regex(benchmark::State& state) {
    std::vector<std::regex> single;
    for (auto regex : all_expressions()) {
        auto flags = std::regex::ECMAScript | std::regex::optimize;
        // it has no inline flags
        for (auto at = regex.find("(?i"); at != std::string::npos; at = regex.find("(?i")) {
            flags |= std::regex::icase;
            if (regex[at + 3] == ')') {
                regex.erase(at, 4);
            } else {
                regex.erase(at + 2, 1);
            }
        }
        single.emplace_back(regex, flags);
    }
    std::string copy;
    run(state, 50, [&](const std::string& line) {
        copy = line;
        for (const auto& expression : single) copy = std::regex_replace(copy, expression, "***");
        benchmark::DoNotOptimize(copy.data());
    });
}

// A transaction's texts, as the pipeline hands them over: short, few with a secret.
void transaction_texts(benchmark::State& state) {
    Redactor redactor(RedactionPolicy::defaults());
    for (auto _ : state) {
        benchmark::DoNotOptimize(redactor.path("/orders/42/items/7").text.data());
        benchmark::DoNotOptimize(redactor.text("shop.example.internal:8080", Place::host).text.data());
        benchmark::DoNotOptimize(
            redactor
                .text("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
                      "Safari/537.36",
                      Place::user_agent)
                .text.data());
    }
}

BENCHMARK(prefilter)->Arg(2)->Arg(30);
BENCHMARK(redactor)->Arg(2)->Arg(30);
BENCHMARK(re2_set_then_replace)->Arg(2)->Arg(30);
BENCHMARK(re2_one_by_one)->Arg(2)->Arg(30);
BENCHMARK(std_regex)->Arg(2)->Arg(30);
BENCHMARK(transaction_texts);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
