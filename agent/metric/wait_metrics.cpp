#include "agent/metric/wait_metrics.hpp"

#include <bit>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "agent/metric/label_text.hpp"

namespace sonde {

std::size_t WaitMetrics::KeyHash::operator()(const Key& key) const {
    constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15;
    const std::hash<std::string_view> hash_of;
    return (std::rotl((hash_of(key.service) ^ key.port) * multiplier, 29) ^ hash_of(key.route)) * multiplier;
}

WaitMetrics::WaitMetrics(std::size_t max_label_sets) : series_(max_label_sets) {}

WaitMetrics::Series& WaitMetrics::series_of(const Key& key) {
    if (const auto found = index_.find(key); found != index_.end()) return *found->second;
    if (series_.full()) return overflow_;
    auto made = std::make_unique<Series>();
    made->key = key;
    auto& series = series_.append(std::move(made));
    index_.emplace(key, &series);
    return series;
}

void WaitMetrics::observe(const Transaction& transaction) {
    if (transaction.side != Side::server || transaction.waits.empty()) return;
    auto& series = series_of({transaction.service, transaction.route, transaction.server.port});
    for (std::size_t i = 0; i < wait_cause_count; ++i) {
        auto& total = series.seconds[i];
        total.store(total.load(std::memory_order_relaxed) + double{transaction.waits.seconds[i]},
                    std::memory_order_relaxed);
    }
}

std::vector<prometheus::MetricFamily> WaitMetrics::Collect() const {
    prometheus::MetricFamily family{"sonde_http_server_blocked_in_seconds_total",
                                    "What the blocked time of requests was spent in, estimated from samples.",
                                    prometheus::MetricType::Counter,
                                    {}};
    const auto show = [&](const Series& series, const std::vector<prometheus::ClientMetric::Label>& labels) {
        for (std::size_t i = 0; i < wait_cause_count; ++i) {
            const auto seconds = series.seconds[i].load(std::memory_order_relaxed);
            if (seconds == 0) continue;
            auto& metric = family.metric.emplace_back();
            metric.label = labels;
            metric.label.push_back({"cause", std::string(wait_cause_names[i])});
            metric.counter.value = seconds;
        }
    };
    for (std::size_t i = 0; i < series_.size(); ++i) {
        const auto& series = series_.at(i);
        std::vector<prometheus::ClientMetric::Label> labels;
        if (!series.key.route.empty()) labels.push_back({"http_route", clean_label(series.key.route)});
        if (series.key.port != 0) labels.push_back({"server_port", std::to_string(series.key.port)});
        if (!series.key.service.empty()) labels.push_back({"service_name", clean_label(series.key.service)});
        show(series, labels);
    }
    show(overflow_, {{"http_route", "{overflow}"}});
    std::vector<prometheus::MetricFamily> out;
    if (!family.metric.empty()) out.push_back(std::move(family));
    return out;
}

}  // namespace sonde
