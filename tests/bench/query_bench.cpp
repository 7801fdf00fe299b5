// How fast `sonde query` reads events, in bytes of decompressed lines per second, by what is asked:
// build/release/tests/query_bench. CPU time counts: one thread does all of it.
#include <benchmark/benchmark.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <string>

#include "agent/query/groups.hpp"
#include "agent/query/scan.hpp"
#include "sinks/event_json.hpp"

namespace sonde {
namespace {

std::string make_lines(std::size_t bytes) {
    std::mt19937_64 random(1);
    std::string out;
    auto process = std::make_shared<Process>();
    process->pid = 211;
    process->comm = "gunicorn";
    process->exe = "/usr/bin/python3.11";
    Transaction t;
    t.service = "shop:8080";
    t.route = "/orders/{id}";
    t.method.assign("GET");
    t.host.assign("shop.local");
    t.user_agent.assign("Mozilla/5.0 (X11; Linux x86_64)");
    t.process = process;
    t.server.family = t.client.family = 2;
    while (out.size() < bytes) {
        t.time_ns = 1'767'225'600'000'000'000 + out.size() * 1000;
        t.path.assign("/orders/" + std::to_string(random() % 100'000));
        t.status = random() % 50 == 0 ? 503 : 200;
        t.outcome = t.status == 503 ? Outcome::error : Outcome::ok;
        t.duration_ns = 100'000 + random() % 100'000'000;
        t.phase_ns = {21'000, 0, 900'000, 12'000, 1'900'000, 80'000};
        append_event_json(out, Record(t));
    }
    return out;
}

enum class Packing : std::uint8_t { plain, gzip, zstd };

// A file of 64 MiB of lines, made once for each packing.
const std::string& file_of(Packing packing) {
    static std::array<std::string, 3> paths;
    auto& path = paths[static_cast<std::size_t>(packing)];
    if (!path.empty()) return path;
    static const auto lines = make_lines(std::size_t{64} << 20);
    path = "/tmp/sonde_query_bench_" + std::to_string(static_cast<int>(packing)) + ".jsonl";
    if (packing == Packing::plain) {
        std::ofstream(path, std::ios::binary) << lines;
    } else if (packing == Packing::gzip) {
        auto* file = ::gzopen(path.c_str(), "wb1");
        ::gzwrite(file, lines.data(), static_cast<unsigned>(lines.size()));
        ::gzclose(file);
    } else {
        std::string packed(ZSTD_compressBound(lines.size()), '\0');
        packed.resize(ZSTD_compress(packed.data(), packed.size(), lines.data(), lines.size(), 1));
        std::ofstream(path, std::ios::binary) << packed;
    }
    std::atexit([] {
        for (const auto& made : paths)
            if (!made.empty()) std::remove(made.c_str());
    });
    return path;
}

void run(benchmark::State& state, const LineFilterOptions& options, bool group) {
    const auto files = find_event_files({file_of(static_cast<Packing>(state.range(0)))});
    std::uint64_t bytes = 0, lines = 0;
    for (auto _ : state) {
        auto filter = LineFilter::make(options, 0);
        Groups groups({GroupBy::route, GroupBy::status});
        const auto stats = scan(*files, *filter, [&](std::string_view line, const EventFields& fields) {
            if (group) groups.add(fields);
            benchmark::DoNotOptimize(line.data());
            return true;
        });
        bytes += stats.bytes;
        lines += stats.lines;
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
    state.SetItemsProcessed(static_cast<std::int64_t>(lines));
}

void group_all(benchmark::State& state) { run(state, {}, true); }
void status_503(benchmark::State& state) {
    LineFilterOptions options;
    options.status = "503";
    run(state, options, true);
}
void status_5xx(benchmark::State& state) {
    LineFilterOptions options;
    options.status = "5xx";
    run(state, options, true);
}
void before_all(benchmark::State& state) {
    LineFilterOptions options;
    options.to = "2020-01-01";
    run(state, options, true);
}

// 0: plain, 1: gzip, 2: zstd
BENCHMARK(group_all)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);
BENCHMARK(status_503)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);
BENCHMARK(status_5xx)->Arg(0)->Unit(benchmark::kMillisecond);
BENCHMARK(before_all)->Arg(0)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
