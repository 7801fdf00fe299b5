#include "agent/metric/self_metrics.hpp"

#include <prometheus/metric_family.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace sonde {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void add(std::vector<MetricFamily>& families, const Sample& sample) {
    auto at = std::find_if(families.begin(), families.end(), [&](const auto& f) { return f.name == sample.name; });
    if (at == families.end()) {
        MetricFamily made;
        made.name = sample.name;
        made.help = sample.help;
        made.type = sample.type == SampleType::counter ? MetricType::Counter : MetricType::Gauge;
        at = families.insert(families.end(), std::move(made));
    }
    ClientMetric metric;
    for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
    (sample.type == SampleType::counter ? metric.counter.value : metric.gauge.value) = sample.value;
    at->metric.push_back(std::move(metric));
}

void add_losses(std::vector<MetricFamily>& families, const LossMatrix& matrix) {
    // proc_info is written by the recorder, never sent by the kernel
    for (std::size_t type = SONDE_REC_CONN_OPEN; type < SONDE_REC_PROC_INFO; ++type) {
        const std::string record(record_type_names[type]);
        const auto& row = matrix.rows[type];
        add(families, {"sonde_records_seen_total", "Number of records the kernel was to send.", SampleType::counter,
                       {{"record", record}}, static_cast<double>(row.seen)});
        add(families, {"sonde_records_delivered_total", "Number of records that user space took in.",
                       SampleType::counter, {{"record", record}}, static_cast<double>(row.delivered)});
        for (std::size_t reason = 0; reason < SONDE_LOSS_REASONS; ++reason)
            add(families, {"sonde_records_lost_total", "Number of records that were lost, by reason.",
                           SampleType::counter,
                           {{"record", record}, {"reason", std::string(loss_reason_names[reason])}},
                           static_cast<double>(row.lost[reason])});
    }
}

double resident_bytes() {
    std::ifstream file("/proc/self/statm");
    double total = 0, resident = 0;
    file >> total >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double open_descriptors() {
    std::error_code error;
    const std::filesystem::directory_iterator all("/proc/self/fd", error);
    return error ? 0 : static_cast<double>(std::distance(begin(all), end(all)));
}

}  // namespace

std::vector<MetricFamily> SelfMetrics::Collect() const {
    std::vector<MetricFamily> families;
    add(families, {"sonde_build_info", "Version of the running agent; always 1.", SampleType::gauge,
                   {{"version", providers_.version}}, 1});
    add(families, {"sonde_process_resident_memory_bytes", "Resident memory of the agent.", SampleType::gauge, {},
                   resident_bytes()});
    add(families, {"sonde_process_cpu_seconds_total", "CPU time of the agent, user and system.", SampleType::counter,
                   {}, cpu_seconds()});
    add(families, {"sonde_process_open_fds", "Number of descriptors the agent has open.", SampleType::gauge, {},
                   open_descriptors()});
    for (const auto& feature : providers_.features())
        add(families, {"sonde_feature_enabled", "1 where the kernel gives the feature, 0 where it is missing.",
                       SampleType::gauge, {{"feature", feature.name}}, feature.enabled ? 1.0 : 0.0});
    add_losses(families, providers_.losses());
    for (const auto& sample : providers_.samples()) add(families, sample);
    return families;
}

}  // namespace sonde
