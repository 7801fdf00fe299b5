#include "agent/metric/rpc_metrics.hpp"

#include <bit>
#include <functional>
#include <utility>

#include "agent/metric/label_text.hpp"
#include "agent/metric/prometheus_histogram.hpp"
#include "agent/route/rpc_name.hpp"

namespace sonde {
namespace {

prometheus::MetricFamily family(std::string name, std::string help, prometheus::MetricType type) {
    prometheus::MetricFamily out;
    out.name = std::move(name);
    out.help = std::move(help);
    out.type = type;
    return out;
}

}  // namespace

std::size_t RpcMetrics::KeyHash::operator()(const Key& key) const {
    constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15;
    const std::hash<std::string_view> hash_of;
    const auto numbers = static_cast<std::uint64_t>(key.port) << 32 |
                         static_cast<std::uint64_t>(static_cast<std::uint16_t>(key.status)) << 8 |
                         static_cast<std::uint64_t>(key.side);
    auto h = (numbers + 1) * multiplier;
    h = (std::rotl(h, 29) ^ hash_of(key.path)) * multiplier;
    return (std::rotl(h, 29) ^ hash_of(key.service)) * multiplier;
}

RpcMetrics::RpcMetrics(std::size_t max_label_sets) : series_(max_label_sets) {
    index_.reserve(max_label_sets);
    for (const auto side : {Side::server, Side::client}) {
        Key key;
        key.side = side;
        overflow_[static_cast<std::size_t>(side)] = make_series(key);
    }
}

std::unique_ptr<RpcMetrics::Series> RpcMetrics::make_series(const Key& key) {
    auto series = std::make_unique<Series>();
    series->service = key.service;
    series->path = key.path;
    series->key = key;
    series->key.service = series->service;
    series->key.path = series->path;
    return series;
}

RpcMetrics::Series& RpcMetrics::series_for(const Key& key) {
    if (const auto found = index_.find(key); found != index_.end()) return *found->second;
    if (!is_clean_label(key.service) || !is_clean_label(key.path)) {
        const auto service = clean_label(key.service), path = clean_label(key.path);
        auto cleaned = key;
        cleaned.service = service;
        cleaned.path = path;
        return series_for(cleaned);
    }
    if (series_.full()) {
        const auto side = static_cast<std::size_t>(key.side);
        overflowed_[side].store(overflowed_[side].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return *overflow_[side];
    }
    auto& made = series_.append(make_series(key));
    index_.emplace(made.key, &made);
    return made;
}

void RpcMetrics::observe(const Transaction& transaction) {
    if (!transaction.grpc) return;
    // the route: the path itself, within the budget of routes
    series_for(
        {transaction.service, transaction.route, transaction.server.port, transaction.grpc_status, transaction.side})
        .duration.observe(transaction.duration_ns);
}

std::vector<prometheus::MetricFamily> RpcMetrics::Collect() const {
    std::vector<prometheus::MetricFamily> out;
    auto overflows = family("sonde_rpc_overflow_total",
                            "Number of calls counted in the overflow label set because the budget was spent.",
                            prometheus::MetricType::Counter);
    for (const auto side : {Side::server, Side::client}) {
        auto made = family("rpc_" + std::string(to_string(side)) + "_duration_seconds",
                           "Duration of gRPC calls, from the first request byte to the last response byte.",
                           prometheus::MetricType::Histogram);
        const auto add = [&made](const Series& series) {
            prometheus::ClientMetric metric;
            metric.histogram = to_prometheus(series.duration);
            if (metric.histogram.sample_count == 0) return;
            const auto label = [&](const char* name, std::string_view value) {
                if (!value.empty()) metric.label.push_back({name, std::string(value)});
            };
            const auto name = split_rpc_route(series.path);
            label("rpc_system", "grpc");
            label("rpc_service", name.service);
            label("rpc_method", name.method);
            if (series.key.status >= 0) label("rpc_grpc_status_code", std::to_string(series.key.status));
            if (series.key.port != 0) label("server_port", std::to_string(series.key.port));
            label("service_name", series.service);
            made.metric.push_back(std::move(metric));
        };
        const auto size = series_.size();
        for (std::size_t i = 0; i < size; ++i)
            if (series_.at(i).key.side == side) add(series_.at(i));
        const auto index = static_cast<std::size_t>(side);
        const auto overflowed = overflowed_[index].load(std::memory_order_relaxed);
        if (overflowed > 0) add(*overflow_[index]);
        if (!made.metric.empty()) out.push_back(std::move(made));
        prometheus::ClientMetric metric;
        metric.label = {{"side", std::string(to_string(side))}};
        metric.counter.value = static_cast<double>(overflowed);
        overflows.metric.push_back(std::move(metric));
    }
    out.push_back(std::move(overflows));
    return out;
}

}  // namespace sonde
