// Lines per second and core from the write call's bytes to the joined, redacted line: the budget is 1 million.
// Each request writes four lines on one of 32 threads; the format is the argument.
#include <benchmark/benchmark.h>

#include <array>
#include <string>

#include "agent/correlate/log_join.hpp"
#include "agent/redact/record_redactor.hpp"

namespace sonde {
namespace {

constexpr std::array<const char*, 3> lines{
    "2026-01-02 03:04:05,678 INFO shop: order 1234567 accepted for customer 42 in 12 ms\n",
    R"({"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"order accepted","order":1234567,"customer":42})"
    "\n",
    "time=2026-01-02T03:04:05.678Z level=INFO msg=\"order accepted\" order=1234567 customer=42\n"};
constexpr std::array<const char*, 3> names{"python", "json", "logfmt"};

void join(benchmark::State& state) {
    const std::string text = lines[static_cast<std::size_t>(state.range(0))];
    const bool redact = state.range(1) != 0;
    RecordRedactor redactor(RedactionPolicySet::defaults()->common());
    std::uint64_t attached = 0, now_ns = 1'000'000'000, id = 0;
    LogJoinOptions options;
    options.correlator.from_files = false;  // as where no files are configured
    LogJoin logs(options,
                 {.redact = [&](LogLine& line) { return !redact || redactor.redact(line.record, {}); },
                  .on_line = [&](const std::shared_ptr<LogLine>& line) { attached += is_attached(line->match); },
                  .on_transaction = [](Transaction& t) { benchmark::DoNotOptimize(t.logs); }});
    Transaction transaction;
    transaction.side = Side::server;
    transaction.method.assign("GET");
    transaction.path.assign("/orders/1234567");
    LogWrite write;
    write.pid = 10;
    write.fd = 2;
    write.length = static_cast<std::uint32_t>(text.size());
    write.bytes = {text.data(), text.size()};
    for (auto _ : state) {
        transaction.trace.span_id = ++id;
        write.tid = 100 + static_cast<std::uint32_t>(id % 32);
        logs.observer()->request_read({transaction, {}, {}, 10, write.tid, 0, now_ns});
        for (int i = 0; i < 4; ++i) {
            write.time_ns = now_ns += 20'000;
            logs.on(write);
        }
        transaction.time_ns = now_ns += 20'000;
        benchmark::DoNotOptimize(logs.hold(transaction));
        logs.advance(now_ns);
    }
    logs.finish();
    state.SetItemsProcessed(static_cast<std::int64_t>(id * 4));
    state.SetLabel(std::string(names[static_cast<std::size_t>(state.range(0))]) + (redact ? ", redacted" : "") +
                   (attached == id * 4 ? "" : ", not all attached"));
}
BENCHMARK(join)->ArgsProduct({{0, 1, 2}, {0, 1}});

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
