#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/resource/cgroup_metrics.hpp"
#include "agent/resource/http_processes.hpp"
#include "agent/resource/process_account.hpp"
#include "agent/resource/process_metrics.hpp"

namespace sonde {

struct ResourceOptions {
    double interval_s = 5;  // between two rounds; 0.1 at least
    ProcessLimits processes;
    std::size_t max_processes = ProcessAccount::usual_max_processes;
    std::size_t max_cgroups = 64;  // per hierarchy
    LabelFilter redact{};          // on the collector's thread; empty: labels are shown as they are
};

// Reads, every interval_s, what processes, cgroups and the machine use, and holds it for scrapes, which therefore cost
// nothing but a copy and never wait for /proc. docs/metrics.md says where each figure comes from.
class ResourceCollector final : public prometheus::Collectable {
public:
    // source: null where the kernel offers none; then only cgroups and the machine are shown.
    // http outlives the collector; the pipeline fills it.
    ResourceCollector(ResourceOptions options, std::unique_ptr<ResourceSource> source, HttpProcesses& http);
    ~ResourceCollector() override;

    // Starts the thread `poll`. Not started: whoever owns the collector calls round().
    void start();
    void round();
    // Any thread. Empty until the first round is over.
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
    // The same without a copy; null until the first round is over.
    [[nodiscard]] std::shared_ptr<const std::vector<prometheus::MetricFamily>> snapshot() const {
        const std::lock_guard lock(mutex_);
        return families_;
    }
    // Number of series the last round made, and the number it can make at most with these options.
    [[nodiscard]] std::size_t series() const { return series_.load(std::memory_order_relaxed); }
    [[nodiscard]] static std::size_t series_bound(const ResourceOptions& options);

private:
    void run(const std::stop_token& stop);
    void account();

    const ResourceOptions options_;
    const std::unique_ptr<ResourceSource> source_;
    HttpProcesses& http_;
    ResourceReading reading_;
    ProcessAccount account_;
    ProcessMetrics processes_;
    CgroupMetrics cgroups_;
    FamilyList out_;
    std::uint64_t rounds_ = 0, failures_ = 0;
    std::atomic<std::size_t> series_{0};
    mutable std::mutex mutex_;  // of families_
    std::shared_ptr<const std::vector<prometheus::MetricFamily>> families_;
    std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sonde
