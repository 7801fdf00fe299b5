#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sonde {

using Labels = std::vector<prometheus::ClientMetric::Label>;

// Metric families in the making; samples of one name become one family. Label values are made printable ASCII: they
// come from process names and mount points, and one bad byte makes Prometheus refuse a whole scrape.
class FamilyList {
public:
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
        for (auto& label : labels)
            for (auto& c : label.value)
                if (c < 0x20 || c > 0x7e) c = '?';
        metric.label = std::move(labels);
        ++series_;
        return metric;
    }

    std::vector<prometheus::MetricFamily> families_;
    std::unordered_map<std::string_view, std::size_t> places_;  // names are literals
    std::size_t series_ = 0;
};

}  // namespace sonde
