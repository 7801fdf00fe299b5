// One point of the simulation: traffic of a shape runs through the agent faster than time, then what the agent says is
// written out. scale_simulation METRICS KEY=VALUE...
//
//   METRICS                       file that takes what a scrape answers
//   rate seconds services routes connections processes alive    the shape (traffic.hpp)
//   set.KEY                       a setting of the agent, as --set has it
//
// Prints one JSON object: what was done, and what it took. Nothing is judged here: simulation.py does.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>

#include "agent/base/own_memory.hpp"
#include "agent/command/process_memory.hpp"
#include "agent/config/load.hpp"
#include "tests/scale/traffic.hpp"
#include "tests/scale/watched.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000, poll_every_ns = 20'000'000;
constexpr std::uint64_t requests_per_poll = 256;  // less than wakes the ring's reader
constexpr double mib = 1024 * 1024;

struct Point {
    TrafficShape shape;
    ConfigRequest config;
};

// False: the argument is none.
bool take_argument(Point& point, std::string_view argument) {
    const auto equals = argument.find('=');
    if (equals == std::string_view::npos) return false;
    const auto key = argument.substr(0, equals), text = argument.substr(equals + 1);
    if (key.starts_with("set.")) {
        point.config.overrides.push_back(parse_set(std::string(argument.substr(4))));
        return true;
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > 1'000'000'000) return false;
    auto& shape = point.shape;
    const auto small = static_cast<std::uint32_t>(value);
    if (key == "rate") return shape.rate = value, true;
    if (key == "seconds") return shape.seconds = value, true;
    if (key == "services") return shape.services = small, true;
    if (key == "routes") return shape.routes = small, true;
    if (key == "connections") return shape.connections = small, true;
    if (key == "processes") return shape.processes = small, true;
    if (key == "alive") return shape.alive = small, true;
    return false;
}

double seconds_of(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::uint64_t now_of(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * ns_per_s + static_cast<std::uint64_t>(now.tv_nsec);
}

double peak_mib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

double resident_mib() { return static_cast<double>(own_resident_bytes()) / mib; }

void run_hour(Traffic& traffic, Watched& watched, RecordStream& stream, const TrafficShape& shape,
              std::uint64_t start_ns) {
    const auto step_ns = std::min(poll_every_ns, requests_per_poll * ns_per_s / shape.rate);
    traffic.begin(stream);
    for (auto now_ns = start_ns; now_ns < traffic.end_ns();) {
        now_ns = std::min(traffic.end_ns(), now_ns + step_ns);
        traffic.fill(stream, now_ns);
        watched.take(stream, now_ns);
    }
    const auto last_ns = traffic.finish(stream);
    watched.settle(stream, last_ns);
}

struct Scrape {
    std::string text;
    double cpu_ms = 0;
    double peak_mib = 0;  // resident, with one scrape under way
};

// The cheapest of three: what the first one pays for memory is not each one's.
Scrape scrape(const Watched& watched) {
    Scrape made;
    for (int i = 0; i < 3; ++i) {
        made.text = {};
        const auto from_s = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        made.text = watched.scrape();
        const auto cpu_ms = (seconds_of(CLOCK_THREAD_CPUTIME_ID) - from_s) * 1000;
        made.cpu_ms = i == 0 ? cpu_ms : std::min(made.cpu_ms, cpu_ms);
        if (i == 0) made.peak_mib = peak_mib();
    }
    return made;
}

int run(const std::string& metrics_file, const Point& point) {
    use_little_memory();
    const auto loaded = load_config(point.config);
    for (const auto& finding : loaded.findings) std::fprintf(stderr, "%s\n", finding.text().c_str());
    if (!loaded.findings.empty()) return 2;
    const auto start_ns = now_of(CLOCK_MONOTONIC);
    RecordStream stream(static_cast<std::int64_t>(now_of(CLOCK_REALTIME) - start_ns));
    Traffic traffic(point.shape, start_ns);
    const auto bare_mib = resident_mib();
    auto watched = Watched::start(loaded.config, stream);
    if (!watched) {
        std::fprintf(stderr, "%s\n", watched.error().message().c_str());
        return 2;
    }
    const auto process_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID), thread_s = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    const auto began_s = seconds_of(CLOCK_MONOTONIC);
    run_hour(traffic, **watched, stream, point.shape, start_ns);
    const auto took_s = seconds_of(CLOCK_MONOTONIC) - began_s;
    const auto sink_s =
        (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - process_s) - (seconds_of(CLOCK_THREAD_CPUTIME_ID) - thread_s);
    const auto loaded_mib = resident_mib(), loaded_peak_mib = peak_mib();
    const auto scraped = scrape(**watched);
    std::ofstream(metrics_file) << scraped.text;

    const auto& done = traffic.counts();
    const auto& cpu = (*watched)->cpu();
    const auto [seconds_held, tens_held, minutes_held] = (*watched)->steps_held();
    const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
    const std::map<std::string, double> values{
        {"requests", number(done.requests)},
        {"answers", number(done.answers)},
        {"lines", number(done.lines)},
        {"connections_opened", number(done.connections)},
        {"processes_started", number(done.processes)},
        {"requests_delayed", number(done.delayed)},
        {"pipeline_cpu_s", cpu.pipeline_s},
        {"history_cpu_s", cpu.history_s},
        {"sink_cpu_s", sink_s},
        {"took_s", took_s},
        {"bare_mib", bare_mib},
        {"resident_mib", loaded_mib},
        {"peak_mib", loaded_peak_mib},
        {"scraped_peak_mib", scraped.peak_mib},
        {"scrape_cpu_ms", scraped.cpu_ms},
        {"processes_evicted", number((*watched)->processes_evicted())},
        {"processes_refused", number((*watched)->processes_refused())},
        {"in_route_overflow", number((*watched)->in_route_overflow())},
        {"seconds_held", number(seconds_held)},
        {"tens_held", number(tens_held)},
        {"minutes_held", number(minutes_held)},
        {"in_service_overflow", number((*watched)->in_service_overflow())},
    };
    const char* before = "{";
    for (const auto& [name, value] : values) {
        std::printf("%s\"%s\": %.17g", before, name.c_str(), value);
        before = ", ";
    }
    std::printf("}\n");
    return 0;
}

}  // namespace
}  // namespace sonde

int main(int count, char** arguments) {
    sonde::Point point;
    bool good = count > 1;
    for (int i = 2; i < count; ++i) good = good && sonde::take_argument(point, arguments[i]);
    if (!good) {
        std::fprintf(stderr,
                     "usage: %s METRICS [rate|seconds|services|routes|connections|processes|alive|set.KEY]=VALUE...\n",
                     arguments[0]);
        return 2;
    }
    return sonde::run(arguments[1], point);
}
