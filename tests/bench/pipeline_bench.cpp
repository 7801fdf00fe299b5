// CPU per transaction and records per CPU second through the whole pipeline, from records as the ring carries them.
// Budgets: 0.4 µs with metrics only, 1 µs and 1 million records a second with everything on and a file sink.
// Time is the CPU time of all threads of this process: the pipeline's, the sink's, the history's. Not in it: the ring
// itself (`sonde doctor --bench`), and the compression of rotated files, which takes idle time only.
#include <benchmark/benchmark.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "agent/history/history.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "agent/source/synthetic_source.hpp"
#include "sinks/file/file_sink.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr std::uint32_t body_bytes = 1500;
constexpr std::uint32_t server_pid = 4000, client_pid = 4001;
// A batch is about what the ring of 8 MiB holds, and less than a sink's queue.
constexpr int connections = 32, rounds = 128;

// 401 bytes of head, as a browser behind a proxy sends them.
std::string request_head(int number) {
    return "GET /api/v1/orders/" + std::to_string(100'000 + number) +
           "/items?page=2 HTTP/1.1\r\n"
           "Host: shop.example.internal:8080\r\n"
           "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0\r\n"
           "Accept: application/json, text/plain, */*\r\n"
           "Accept-Encoding: gzip, deflate, br\r\n"
           "X-Forwarded-For: 203.0.113.9\r\n"
           "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
           "Connection: keep-alive\r\n\r\n";
}

constexpr std::string_view response_head =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx/1.22.1\r\n"
    "Date: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 1500\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: private, max-age=0, must-revalidate\r\n"
    "ETag: \"5f2d-3a1b9c7e\"\r\n"
    "Vary: Accept-Encoding\r\n"
    "X-Content-Type-Options: nosniff\r\n\r\n";

double process_cpu_s() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Requests in turns over connections, every other one a client's; each connection has a thread of its own.
class Traffic {
public:
    void announce(Pipeline& pipeline) {
        SyntheticSource source;
        for (const auto pid : {server_pid, client_pid}) {
            Process process;
            process.pid = pid;
            process.comm = process.program = pid == server_pid ? "shop" : "checkout";
            process.exe = "/usr/bin/" + process.comm;
            source.process_info(process);
        }
        static_cast<void>(source.poll(pipeline, 0));
    }

    void fill(SyntheticSource& source) {
        const auto first_cookie = cookie_;
        for (int i = 0; i < connections; ++i)
            source.conn_open(first_cookie + static_cast<std::uint64_t>(i), time_ns_, is_server(i), 8080);
        for (int round = 0; round < rounds; ++round)
            for (int i = 0; i < connections; ++i) exchange(source, first_cookie, i, round);
        for (int i = 0; i < connections; ++i) source.conn_close(cookie_++, time_ns_);
        time_ns_ += ns_per_s;  // so that nothing waits for its log lines any more
    }
    [[nodiscard]] std::uint64_t time_ns() const { return time_ns_; }

private:
    static bool is_server(int connection) { return connection % 2 == 0; }

    void exchange(SyntheticSource& source, std::uint64_t first_cookie, int connection, int round) {
        const auto server = is_server(connection);
        const auto cookie = first_cookie + static_cast<std::uint64_t>(connection);
        const auto request = request_head(round);
        const auto asked = static_cast<std::uint32_t>(request.size());
        const auto answered = static_cast<std::uint32_t>(response_head.size()) + body_bytes;
        const auto in = 1000 + static_cast<std::uint32_t>(round) * asked;
        const auto out = 5000 + static_cast<std::uint32_t>(round) * answered;
        sonde_thread_clock thread{};
        thread.tgid = server ? server_pid : client_pid;
        thread.tid = 5000 + static_cast<std::uint32_t>(connection);
        thread.cpu_ns = time_ns_ / 4;
        source.request({.cookie = cookie,
                        .time_ns = time_ns_,
                        .outgoing = !server,
                        .seq = in,
                        .ack = out,
                        .bytes = request,
                        .thread = thread});
        if (server) source.read(cookie, time_ns_ + 20'000, in + asked, thread);
        thread.cpu_ns += 100'000;
        source.response({.cookie = cookie,
                         .time_ns = time_ns_ + 500'000,
                         .outgoing = server,
                         .seq = out,
                         .ack = in + asked,
                         .bytes = response_head,
                         .length = answered,
                         .thread = thread});
        time_ns_ += 10'000;
    }

    std::uint64_t cookie_ = 1, time_ns_ = ns_per_s;
};

// An iteration is a batch; the making of its records is not timed. settle(): waits until nothing is under way.
template <typename Advance, typename Settle>
void measure(benchmark::State& state, Pipeline& pipeline, Advance advance, Settle settle) {
    Traffic traffic;
    traffic.announce(pipeline);
    double cpu_s = 0;
    std::uint64_t records = 0;
    for (auto _ : state) {
        SyntheticSource source;
        traffic.fill(source);
        settle();
        const auto from = process_cpu_s();
        records += *source.poll(pipeline, 0);
        advance(traffic.time_ns());
        settle();
        const auto used = process_cpu_s() - from;
        state.SetIterationTime(used);
        cpu_s += used;
    }
    const auto transactions = pipeline.stats().transactions.load();
    if (transactions != static_cast<std::uint64_t>(state.iterations()) * connections * rounds)
        state.SkipWithError("not every request became a transaction");
    state.counters["cpu_ns_per_transaction"] = cpu_s * 1e9 / static_cast<double>(transactions);
    state.counters["records_per_cpu_s"] = static_cast<double>(records) / cpu_s;
}

PipelineOptions options() {
    PipelineOptions options;
    options.read_proc = false;
    return options;
}

void metrics_only(benchmark::State& state) {
    HttpMetrics metrics;
    auto without_logs = options();
    without_logs.logs.enabled = false;
    Pipeline pipeline(without_logs, metrics);
    measure(
        state, pipeline, [&](std::uint64_t now_ns) { pipeline.advance(now_ns); }, [] {});
}
BENCHMARK(metrics_only)->UseManualTime()->Unit(benchmark::kMillisecond);

// In the working directory, which is on a disk where /tmp may be memory; gone with its owner.
class Place {
public:
    Place() { made_ = ::mkdtemp(path_.data()) != nullptr; }
    ~Place() {
        std::error_code ignored;
        if (made_) std::filesystem::remove_all(path_, ignored);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_ = "pipeline_bench-XXXXXX";
    bool made_ = false;
};

// As `sonde run --events` wires it, but for what agent/command keeps to itself: gRPC's metrics, which HTTP/1 is none
// of, and two sets of names. Threads that serve are drawn and asked for, but nobody looks at them: a look reads /proc,
// twenty times a second however many requests there are.
void everything_and_file(benchmark::State& state) {
    const Place place;
    FileSinkOptions file;
    file.directory = place.path();
    file.compression = Compression::none;
    file.retention.max_files = 1;
    auto sink = FileSink::open(file);
    if (!sink) return state.SkipWithError(sink.error().message().c_str());
    Delivery delivery(std::move(*sink));
    HttpMetrics metrics;
    History history;
    Pipeline pipeline(options(), metrics);
    pipeline.set_waits(std::make_unique<RequestWaits>(std::make_shared<WaitQueues>(), [] {}));
    pipeline.add(history.feed());
    pipeline.add(delivery, Carries::all_but_logs);
    history.start();
    const auto advance = [&](std::uint64_t now_ns) {
        pipeline.advance(now_ns);
        history.feed().advance(now_ns);
    };
    measure(state, pipeline, advance, [&] {
        for (auto stats = delivery.stats(); stats.delivered + stats.dropped < stats.offered; stats = delivery.stats())
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    if (const auto stats = delivery.stats(); stats.dropped != 0 || stats.sink.failed_records != 0)
        state.SkipWithError("not every transaction was written");
}
BENCHMARK(everything_and_file)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
