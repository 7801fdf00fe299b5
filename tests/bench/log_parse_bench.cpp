// Lines of each format to LogRecord, on one core: lines per second is items_per_second. Budget: parse and join 1
// million lines a second. The cycle mixes 64 different lines, so that no branch predictor learns one by heart.
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "agent/log/line_parser.hpp"
#include "agent/log/message_template.hpp"
#include "agent/log/record_assembler.hpp"

namespace sonde {
namespace {

constexpr int distinct = 64;

std::string numbered(std::string pattern, int i) {
    for (std::size_t at = 0; (at = pattern.find('#', at)) != std::string::npos;)
        pattern.replace(at, 1, std::to_string(i * 7919 % 90000 + 10000));
    return pattern;
}

constexpr std::array<std::string_view, log_format_count> patterns{
    "listening on port #, worker # is ready to take requests from the balancer",
    R"({"timestamp":"2026-01-02T03:04:05.678901Z","level":"info","logger":"shop.orders","message":"order # created",)"
    R"("trace_id":"4bf92f3577b34da6a3ce929d0e0#","request_id":"8a6e0804-2bd0-4672-b79d-d9702#","order_id":#,)"
    R"("user":{"id":#,"plan":"pro"},"method":"POST","path":"/orders/#","status":201,"duration_ms":12.5})",
    R"(time=2026-01-02T03:04:05.678Z level=INFO msg="order # created" order_id=# trace_id=4bf92f3577b34da6a3ce929d0e0#)",
    R"(203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] "GET /orders/#?page=2 HTTP/1.1" 200 # "-" "curl/7.88.1")",
    R"(2026/01/02 03:04:05 [error] 7#7: *# open() "/srv/shop/#" failed (2: No such file or directory), client: )"
    R"(127.0.0.1, server: shop, request: "GET /orders/# HTTP/1.1", host: "shop.local")",
    R"(INFO:     127.0.0.1:# - "GET /orders/# HTTP/1.1" 200 OK)",
    "[2026-01-02 03:04:05 +0000] [#] [INFO] Booting worker with pid: #",
    "2026-01-02 03:04:05,678 - shop.orders - INFO - order # created for customer #",
    "I0102 03:04:05.678901   # controller.go:123] order # created for customer #",
    "Jan 02, 2026 3:04:05 AM com.shop.Orders create\nINFO: order # created",
};

std::vector<std::string> lines_of(LogFormat format) {
    std::vector<std::string> lines;
    for (int i = 0; i < distinct; ++i) {
        auto line = numbered(std::string(patterns[static_cast<std::size_t>(format)]), i);
        // the one '#' that nginx means
        if (format == LogFormat::nginx_error) line.replace(line.find("] 7"), 9, "] 7#7");
        lines.push_back(std::move(line));
    }
    return lines;
}

void parse(benchmark::State& state) {
    const auto format = static_cast<LogFormat>(state.range(0));
    const auto lines = lines_of(format);
    LineParser parser({.format = {}, .time = {.utc_offset_s = 0}});
    LogRecord record;
    std::size_t next = 0, bytes = 0;
    for (auto _ : state) {
        const auto& line = lines[next++ % distinct];
        parser.parse(line, 1'767'323'046'000'000'000, record);
        bytes += line.size() + 1;
        benchmark::DoNotOptimize(record);
    }
    if (record.format != format) state.SkipWithError("not read as its format");
    state.SetLabel(std::string(to_string(format)) + ", " + std::to_string(lines[0].size()) + " bytes");
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(parse)->DenseRange(0, log_format_count - 1);

// From lines to records: what multi-line rules and assembling cost besides.
void assemble_and_parse(benchmark::State& state) {
    struct Parse : RecordTextHandler {
        LineParser parser{{.format = {}, .time = {.utc_offset_s = 0}}};
        LogRecord record;
        bool on_text(const LogFileLine& line) override {
            parser.parse(line.text, 1'767'323'046'000'000'000, record);
            benchmark::DoNotOptimize(record);
            return true;
        }
    } handler;
    const auto lines = lines_of(static_cast<LogFormat>(state.range(0)));
    RecordAssembler assembler;
    std::size_t next = 0;
    for (auto _ : state)
        assembler.feed({.text = lines[next % distinct], .begin = next * 1000, .end = next * 1000 + 999}, handler),
            ++next;
    state.SetLabel(std::string(log_format_names[static_cast<std::size_t>(state.range(0))]));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(assemble_and_parse)->Arg(static_cast<int>(LogFormat::json))->Arg(static_cast<int>(LogFormat::python));

void message_template(benchmark::State& state) {
    std::vector<std::string> messages;
    for (int i = 0; i < distinct; ++i) messages.push_back(numbered("order # of customer \"bob\" failed after #ms", i));
    std::size_t next = 0;
    for (auto _ : state) benchmark::DoNotOptimize(MessageTemplate(messages[next++ % distinct]).hash());
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(message_template);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
