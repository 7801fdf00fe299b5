#pragma once

#include <prometheus/metric_family.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sonde {

// What stands in for the value of a label: the redactor's word. One thread.
using LabelFilter = std::function<std::string(std::string_view name, std::string_view value)>;

using Labels = std::vector<prometheus::ClientMetric::Label>;

// Metric families in the making; samples of one name become one family. Label values are made printable ASCII: they
// come from process names and mount points, and one bad byte makes Prometheus refuse a whole scrape. Those that others
// choose pass the filter, once per value: its answers are kept.
class FamilyList {
public:
    explicit FamilyList(LabelFilter filter = {}) : filter_(std::move(filter)) {}
    void counter(const char* name, const char* help, Labels labels, double value) {
        add(name, help, prometheus::MetricType::Counter, std::move(labels)).counter.value = value;
    }
    void gauge(const char* name, const char* help, Labels labels, double value) {
        add(name, help, prometheus::MetricType::Gauge, std::move(labels)).gauge.value = value;
    }
    [[nodiscard]] std::size_t series() const { return series_; }
    std::vector<prometheus::MetricFamily> take() {
        places_.clear();
        series_ = 0;
        return std::move(families_);
    }

private:
    prometheus::ClientMetric& add(const char* name, const char* help, prometheus::MetricType type, Labels labels) {
        const auto [place, is_new] = places_.try_emplace(name, families_.size());
        if (is_new) families_.push_back({name, help, type, {}});
        auto& metric = families_[place->second].metric.emplace_back();
        for (auto& label : labels) {
            if (filter_ && is_chosen_by_others(label.name)) label.value = filtered(label);
            for (auto& c : label.value)
                if (c < 0x20 || c > 0x7e) c = '?';
        }
        metric.label = std::move(labels);
        ++series_;
        return metric;
    }

    static bool is_chosen_by_others(std::string_view name) {
        constexpr std::array<std::string_view, 8> names{
            "process_executable_name",     "process_command", "service_name", "cgroup", "id", "unit", "system_device",
            "system_filesystem_mountpoint"};
        return std::find(names.begin(), names.end(), name) != names.end();
    }
    const std::string& filtered(const prometheus::ClientMetric::Label& label) {
        if (answers_.size() >= answers_max) answers_.clear();
        const auto [answer, is_new] = answers_.try_emplace(label.name + '=' + label.value);
        if (is_new) answer->second = filter_(label.name, label.value);
        return answer->second;
    }

    static constexpr std::size_t answers_max = 4096;
    LabelFilter filter_;
    std::unordered_map<std::string, std::string> answers_;
    std::vector<prometheus::MetricFamily> families_;
    std::unordered_map<std::string_view, std::size_t> places_;  // names are literals
    std::size_t series_ = 0;
};

}  // namespace sonde
