#include "agent/command/bench.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "agent/api/answer.hpp"
#include "agent/base/unique_fd.hpp"
#include "agent/command/config_reloader.hpp"
#include "agent/command/terminal.hpp"
#include "agent/command/terminal_text.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "agent/probe/probe.hpp"
#include "agent/probe/ring_source.hpp"
#include "agent/source/synthetic_source.hpp"
#include "sinks/file/file_sink.hpp"

namespace sonde {
namespace {

using Clock = std::chrono::steady_clock;

// Each part stops at the first of both. The bytes are more than the sink's memory holds, and less than a small disk.
constexpr auto part_time = std::chrono::seconds(2);
constexpr std::uint64_t sink_bytes = 512'000'000;

constexpr std::string_view request_text =
    "GET /orders/4711 HTTP/1.1\r\nHost: shop.local\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: "
    "*/*\r\n\r\n";
constexpr std::string_view response_text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

double seconds_since(Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); }

double thread_cpu_s() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Measured not_measured(std::string name, const Error& error) { return {std::move(name), 0, {}, error.message()}; }

// A server and a client in this process, over loopback, one request after the other until told to stop.
class Traffic {
public:
    Traffic() {
        const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        client_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::bind(listener.get(), any, size) != 0 || ::listen(listener.get(), 1) != 0 ||
            ::getsockname(listener.get(), any, &size) != 0 || ::connect(client_.get(), any, size) != 0)
            return;
        server_.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        thread_ = std::thread([this] { run(); });
    }
    ~Traffic() { stop(); }
    Traffic(const Traffic&) = delete;
    Traffic& operator=(const Traffic&) = delete;

    [[nodiscard]] bool works() const { return thread_.joinable(); }
    // Number of requests answered so far.
    std::uint64_t stop() {
        stopping_ = true;
        if (thread_.joinable()) thread_.join();
        return requests_;
    }

private:
    static bool pass(const UniqueFd& from, const UniqueFd& to, std::string_view text) {
        std::array<char, 1024> buffer;
        return ::send(from.get(), text.data(), text.size(), MSG_NOSIGNAL) > 0 &&
               ::recv(to.get(), buffer.data(), buffer.size(), 0) > 0;
    }
    void run() {
        while (!stopping_ && pass(client_, server_, request_text) && pass(server_, client_, response_text)) ++requests_;
    }

    UniqueFd client_, server_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> requests_{0};
    std::thread thread_;
};

class Counted final : public RecordHandler {
public:
    void on_record(std::span<const std::byte> record) override { bytes += record.size(); }
    std::uint64_t bytes = 0;
};

// Traffic fills a part of the ring while nobody reads; how long reading it takes is what counts. So in turns.
Measured measure_ring(const Config& config) {
    constexpr const char* name = "ring";
    auto probe = Probe::prepare({.capture_bytes = config.capture_bytes, .ring_bytes = config.ring_kib << 10});
    if (!probe) return not_measured(name, probe.error());
    auto source = RingSource::open(**probe);
    if (!source) return not_measured(name, source.error());
    if (const auto watched = (*probe)->watch_traffic(); !watched) return not_measured(name, watched.error());
    const auto before = (*source)->losses().lost_total();
    Counted counted;
    std::uint64_t records = 0, requests = 0;
    double reading_s = 0;
    for (const auto started = Clock::now(); Clock::now() - started < part_time;) {
        Traffic traffic;
        if (!traffic.works()) return {name, 0, {}, "there is no traffic over loopback: bring the interface lo up"};
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        requests += traffic.stop();
        const auto from = thread_cpu_s();
        records += (*source)->poll_all(counted);
        reading_s += thread_cpu_s() - from;
    }
    if (records == 0 || reading_s <= 0)
        return {name, 0, {}, "no record of the bench's own traffic came through the ring: see `sonde doctor`"};
    const auto lost = (*source)->losses().lost_total() - before;
    return {name, static_cast<double>(records) / reading_s, "records/s",
            readable_count(static_cast<double>(records)) + " records of " +
                readable_count(static_cast<double>(requests)) + " requests over loopback, " +
                readable_bytes(static_cast<double>(counted.bytes) / static_cast<double>(records)) +
                " each, read in place; " + std::to_string(lost) + " lost"};
}

// Connections of a hundred requests each, on as many routes.
void fill(SyntheticSource& source, std::uint64_t& cookie, std::uint64_t& time_ns) {
    for (int connection = 0; connection < 100; ++connection, ++cookie) {
        std::uint32_t in = 1000, out = 5000;
        source.conn_open(cookie, time_ns, true, 8080);
        for (int i = 0; i < 100; ++i) {
            source.request({.cookie = cookie, .time_ns = time_ns, .seq = in, .ack = out, .bytes = request_text});
            in += static_cast<std::uint32_t>(request_text.size());
            source.read(cookie, time_ns + 20'000, in, {});
            source.response({.cookie = cookie,
                             .time_ns = time_ns + 500'000,
                             .outgoing = true,
                             .seq = out,
                             .ack = in,
                             .bytes = response_text});
            out += static_cast<std::uint32_t>(response_text.size());
            time_ns += 1'000'000;
        }
        source.conn_close(cookie, time_ns);
    }
}

Measured measure_pipeline(const Config& config) {
    auto policies = pipeline_policies(config);
    if (!policies) return not_measured("pipeline", policies.error());
    PipelineOptions options;
    options.policies = std::move(*policies);
    options.read_proc = false;
    HttpMetrics metrics;
    Pipeline pipeline(options, metrics);
    std::uint64_t cookie = 1, time_ns = 1'000'000'000, records = 0;
    double cpu_s = 0;
    for (const auto started = Clock::now(); Clock::now() - started < part_time;) {
        SyntheticSource source;
        fill(source, cookie, time_ns);
        const auto from = thread_cpu_s();
        const auto polled = source.poll(pipeline, 0);
        pipeline.advance(time_ns);
        cpu_s += thread_cpu_s() - from;
        records += *polled;
    }
    const auto transactions = static_cast<double>(pipeline.stats().transactions.load());
    std::array<char, 96> text;
    std::snprintf(text.data(), text.size(), "%.2f µs of one core for a transaction: pairing, route, redaction, metrics",
                  cpu_s * 1e6 / transactions);
    return {"pipeline", static_cast<double>(records) / cpu_s, "records/s", text.data()};
}

// Gone with its owner.
class Place {
public:
    explicit Place(std::string parent) : path_(std::move(parent) + "/.sonde-bench-XXXXXX") {
        made_ = ::mkdtemp(path_.data()) != nullptr;
    }
    ~Place() {
        std::error_code ignored;
        if (made_) std::filesystem::remove_all(path_, ignored);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    [[nodiscard]] bool made() const { return made_; }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
    bool made_ = false;
};

Transaction sample_transaction() {
    Transaction t;
    t.service = "shop:8080";
    t.route = "/orders/{id}";
    t.method.assign("GET");
    t.path.assign("/orders/4711");
    t.host.assign("shop.local");
    t.user_agent.assign("Mozilla/5.0 (X11; Linux x86_64)");
    t.status = 200;
    t.outcome = Outcome::ok;
    t.duration_ns = 2'913'000;
    t.phase_ns = {21'000, 0, 900'000, 12'000, 1'900'000, 80'000};
    t.server.family = t.client.family = AF_INET;
    return t;
}

Measured measure_sink(const Config& config) {
    constexpr const char* name = "file_sink";
    const bool is_set = !config.events_directory.empty();
    std::error_code error;
    const auto parent = is_set ? config.events_directory : std::filesystem::temp_directory_path(error).string();
    const Place place(parent);
    if (!place.made())
        return {name,
                0,
                {},
                "cannot write to " + parent + ": " + std::strerror(errno) + "; name a directory with --events"};
    FileSinkOptions options;
    options.directory = place.path();
    options.rotate_bytes = 0;
    const auto sink = FileSink::open(options);
    if (!sink) return not_measured(name, sink.error());
    auto transaction = sample_transaction();
    const auto from = thread_cpu_s();
    const auto started = Clock::now();
    std::uint64_t lines = 0;
    while ((*sink)->stats().bytes < sink_bytes && Clock::now() - started < part_time) {
        for (int i = 0; i < 10'000; ++i) {
            transaction.time_ns = 1'767'225'600'000'000'000 + lines++;
            (*sink)->write(Record(transaction));
        }
        if (const auto flushed = (*sink)->flush(); !flushed) return not_measured(name, flushed.error());
    }
    const auto seconds = seconds_since(started);
    const auto bytes = static_cast<double>((*sink)->stats().bytes);
    std::array<char, 96> cost;
    std::snprintf(cost.data(), cost.size(), "%.2f CPU s for a GB with their making, by ",
                  (thread_cpu_s() - from) / (bytes / 1e9));
    return {name, bytes / seconds / 1e6, "MB/s",
            readable_rate(static_cast<double>(lines) / seconds) + " lines/s into " + parent +
                (is_set ? "" : " (no events.directory is set)") + ", " + cost.data() +
                std::string((*sink)->writer_name())};
}

}  // namespace

std::vector<Measured> run_bench(const Config& config, bool agent_runs) {
    const bool shown = is_terminal(STDERR_FILENO);
    std::vector<Measured> out;
    const auto measure = [&](const char* what, const std::function<Measured()>& part) {
        if (shown) std::fprintf(stderr, "\r\x1b[Kmeasuring the %s …", what);
        out.push_back(part());
        if (shown) std::fputs("\r\x1b[K", stderr);
    };
    measure("ring", [&]() -> Measured {
        if (!agent_runs) return measure_ring(config);
        return {
            "ring",
            0,
            {},
            "an agent watches this machine, and a second set of programs would cost its traffic again: stop it first"};
    });
    measure("pipeline", [&] { return measure_pipeline(config); });
    measure("file sink", [&] { return measure_sink(config); });
    return out;
}

void print_bench(const std::vector<Measured>& measured) {
    for (const auto& one : measured) {
        const auto value = one.unit.empty() ? "not measured" : readable_count(one.value) + " " + one.unit;
        std::printf("%s%s  %s\n", fit_left(one.name, 11).c_str(), fit_right(value, 16).c_str(), one.text.c_str());
    }
}

void print_bench_json(const std::vector<Measured>& measured) {
    boost::json::array list;
    for (const auto& one : measured) {
        boost::json::object row{
            {"name", one.name}, {"value", nullptr}, {"unit", nullptr}, {"text", valid_utf8(one.text)}};
        if (!one.unit.empty()) row["value"] = one.value, row["unit"] = one.unit;
        list.push_back(std::move(row));
    }
    std::printf("%s\n", boost::json::serialize(boost::json::object{{"bench", std::move(list)}}).c_str());
}

}  // namespace sonde
