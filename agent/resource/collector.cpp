#include "agent/resource/collector.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "agent/resource/node_metrics.hpp"

namespace sonde {
namespace {

constexpr double interval_min_s = 0.1;

}  // namespace

ResourceCollector::ResourceCollector(ResourceOptions options, std::unique_ptr<ResourceSource> source,
                                     HttpProcesses& http)
    : options_(std::move(options)),
      source_(std::move(source)),
      http_(http),
      account_(options_.max_processes),
      processes_(options_.processes),
      cgroups_(options_.max_cgroups, options_.processes.proc_root),
      out_(options_.redact) {}

ResourceCollector::~ResourceCollector() = default;

std::size_t ResourceCollector::series_bound(const ResourceOptions& options) {
    constexpr std::size_t hierarchies = 2;  // v1's controllers share one set of series, v2 has the other
    constexpr std::size_t about_self = 6;
    return ProcessMetrics::series_bound(options.processes) +
           hierarchies * options.max_cgroups * CgroupMetrics::series_per_cgroup + node_series_max + about_self;
}

void ResourceCollector::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void ResourceCollector::run(const std::stop_token& stop) {
    ::prctl(PR_SET_NAME, "poll");
    const auto interval = std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::chrono::duration<double>(std::max(options_.interval_s, interval_min_s)));
    std::mutex sleep;
    std::condition_variable_any wake;
    auto next = std::chrono::steady_clock::now();
    while (!stop.stop_requested()) {
        round();
        // a round that took longer than the interval leaves no debt behind
        next = std::max(next + interval, std::chrono::steady_clock::now());
        std::unique_lock lock(sleep);
        wake.wait_until(lock, stop, next, [] { return false; });
    }
}

void ResourceCollector::account() {
    if (!source_->read(reading_)) ++failures_;
    account_.update(reading_);
    const auto http = http_.snapshot();
    processes_.update(account_, reading_, http);
    std::unordered_map<std::uint64_t, std::uint32_t> groups;
    for (const auto& [pid, process] : account_.processes())
        if (!process.ended && pid != 0) groups.try_emplace(process.group, pid);
    cgroups_.update(groups);
    // the number may come again; who has only just started and is forgotten here is learnt with the next request
    for (const auto& [pid, service] : http)
        if (!account_.processes().contains(pid)) http_.forget(pid);
    source_->forget(account_.forgettable());
    // some 300 bytes a thread, which would lie there until the next round
    reading_.tasks = {};
    reading_.extras = {};
}

void ResourceCollector::round() {
    const auto started = std::chrono::steady_clock::now();
    auto& out = out_;
    if (source_) {
        account();
        processes_.add(out, account_);
        cgroups_.add(out);
    }
    add_node_metrics(out, options_.processes.proc_root);
    out.counter("sonde_resource_rounds_total", "Number of rounds that the collector has made.", {},
                static_cast<double>(++rounds_));
    out.counter("sonde_resource_failed_rounds_total", "Number of rounds in which the kernel did not answer fully.", {},
                static_cast<double>(failures_));
    out.counter("sonde_resource_unaccounted_total",
                "Number of times that a process was not accounted because the table was full.", {},
                static_cast<double>(account_.refused() + http_.refused()));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    out.gauge("sonde_resource_round_seconds", "How long the last round took.", {}, took.count());
    out.gauge("sonde_resource_series_max", "Number of series that there can be at most, whatever runs on the machine.",
              {}, static_cast<double>(series_bound(options_)));
    out.gauge("sonde_resource_series", "Number of series of processes, cgroups and the machine.", {},
              static_cast<double>(out.series() + 1));
    series_.store(out.series(), std::memory_order_relaxed);
    auto families = std::make_shared<const std::vector<prometheus::MetricFamily>>(out.take());
    const std::lock_guard lock(mutex_);
    families_ = std::move(families);
}

std::vector<prometheus::MetricFamily> ResourceCollector::Collect() const {
    std::shared_ptr<const std::vector<prometheus::MetricFamily>> families;
    {
        const std::lock_guard lock(mutex_);
        families = families_;
    }
    return families ? *families : std::vector<prometheus::MetricFamily>{};
}

}  // namespace sonde
