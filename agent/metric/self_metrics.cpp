#include "agent/metric/self_metrics.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "agent/base/own_memory.hpp"

namespace sonde {
namespace {

class FamilyList {
public:
    void add(const Sample& sample) {
        auto& family = find_or_add(sample);
        prometheus::ClientMetric metric;
        metric.label.reserve(sample.labels.size());
        for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
        fill(metric, sample);
        family.metric.push_back(std::move(metric));
    }
    std::vector<prometheus::MetricFamily> take() { return std::move(families_); }

private:
    static void fill(prometheus::ClientMetric& metric, const Sample& sample) {
        switch (sample.type) {
            case SampleType::counter:
                metric.counter.value = sample.value;
                return;
            case SampleType::gauge:
                metric.gauge.value = sample.value;
                return;
            case SampleType::histogram:
                break;
        }
        metric.histogram.sample_sum = sample.value;
        for (const auto& [bound, count] : sample.buckets) metric.histogram.bucket.push_back({count, bound});
        if (!sample.buckets.empty()) metric.histogram.sample_count = sample.buckets.back().second;
    }
    static prometheus::MetricType type_of(const Sample& sample) {
        constexpr std::array<prometheus::MetricType, 3> types{
            prometheus::MetricType::Counter, prometheus::MetricType::Gauge, prometheus::MetricType::Histogram};
        return types[static_cast<std::size_t>(sample.type)];
    }
    prometheus::MetricFamily& find_or_add(const Sample& sample) {
        const auto found = std::find_if(families_.begin(), families_.end(),
                                        [&](const auto& family) { return family.name == sample.family; });
        if (found != families_.end()) return *found;
        auto& made = families_.emplace_back();
        made.name = sample.family;
        made.help = sample.help;
        made.type = type_of(sample);
        return made;
    }
    std::vector<prometheus::MetricFamily> families_;
};

void add_losses(FamilyList& out, const LossMatrix& matrix) {
    const auto count = [](std::uint64_t n) { return static_cast<double>(n); };
    for (std::size_t type = 1; type < matrix.rows.size(); ++type) {  // 0 is "none"
        const auto& row = matrix.rows[type];
        const std::string record(record_type_names[type]);
        out.add({"sonde_records_seen_total",
                 "Number of records that the kernel was to emit, counted by the kernel.",
                 SampleType::counter,
                 {{"record", record}},
                 count(row.seen)});
        out.add({"sonde_records_delivered_total",
                 "Number of records that user space took in, counted by the reader.",
                 SampleType::counter,
                 {{"record", record}},
                 count(row.delivered)});
        for (std::size_t reason = 0; reason < row.lost.size(); ++reason)
            out.add({"sonde_records_lost_total",
                     "Number of records lost, counted where they were lost, by reason.",
                     SampleType::counter,
                     {{"record", record}, {"reason", std::string(loss_reason_names[reason])}},
                     count(row.lost[reason])});
    }
}

double open_fds() {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
    if (!directory) return -1;
    double count = -1;  // the directory's own descriptor
    while (const auto* entry = ::readdir(directory.get())) count += entry->d_name[0] != '.';
    return count;
}

void add_process(FamilyList& out) {
    if (const auto bytes = own_resident_bytes(); bytes > 0)
        out.add({"sonde_process_resident_memory_bytes",
                 "Resident memory of the agent.",
                 SampleType::gauge,
                 {},
                 static_cast<double>(bytes)});
    if (const auto count = open_fds(); count >= 0)
        out.add(
            {"sonde_process_open_fds", "Number of file descriptors the agent has open.", SampleType::gauge, {}, count});
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) != 0) return;
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    out.add({"sonde_process_cpu_seconds_total",
             "CPU time of the agent in user space and in system calls.",
             SampleType::counter,
             {},
             seconds(usage.ru_utime) + seconds(usage.ru_stime)});
}

}  // namespace

std::vector<prometheus::MetricFamily> SelfMetrics::Collect() const {
    FamilyList out;
    if (!providers_.version.empty())
        out.add({"sonde_build_info",
                 "The running version, as a label; always 1.",
                 SampleType::gauge,
                 {{"version", providers_.version}},
                 1});
    if (providers_.losses) add_losses(out, providers_.losses());
    if (providers_.features)
        for (const auto& feature : providers_.features())
            out.add({"sonde_feature_enabled",
                     "Whether the kernel offers what a feature needs: 1 on, 0 off.",
                     SampleType::gauge,
                     {{"feature", feature.name}},
                     feature.enabled ? 1.0 : 0.0});
    if (providers_.samples)
        for (const auto& sample : providers_.samples()) out.add(sample);
    add_process(out);
    return out.take();
}

}  // namespace sonde
