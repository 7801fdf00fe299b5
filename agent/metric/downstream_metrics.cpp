#include "agent/metric/downstream_metrics.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <bit>
#include <cstring>
#include <functional>
#include <utility>

#include "agent/metric/label_text.hpp"

namespace sonde {
namespace {

constexpr std::string_view overflow_label = "{overflow}";

prometheus::MetricFamily counters(const char* name, const char* help) {
    return {name, help, prometheus::MetricType::Counter, {}};
}

std::string text_of(const std::array<std::uint8_t, 16>& address, std::uint8_t family, std::uint16_t port) {
    if (family == AF_UNIX) return "unix";
    std::array<char, INET6_ADDRSTRLEN> text{};
    if ((family != AF_INET && family != AF_INET6) ||
        ::inet_ntop(family, address.data(), text.data(), text.size()) == nullptr)
        return "unknown";
    const std::string host(text.data());
    return (family == AF_INET6 ? "[" + host + "]:" : host + ":") + std::to_string(port);
}

}  // namespace

std::size_t DownstreamMetrics::KeyHash::operator()(const Key& key) const {
    constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15;
    const std::hash<std::string_view> hash_of;
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), key.address.data(), key.address.size());
    auto h = (std::uint64_t{key.callee_port} << 32 | std::uint64_t{key.port} << 8 | std::uint64_t{key.is_call}) + 1;
    for (const auto part : {words[0], words[1], std::uint64_t{hash_of(key.callee)}, std::uint64_t{hash_of(key.route)},
                            std::uint64_t{hash_of(key.service)}})
        h = (std::rotl(h, 29) ^ part) * multiplier;
    return h;
}

void DownstreamMetrics::Series::add(std::uint64_t duration_ns) {
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    ns.store(ns.load(std::memory_order_relaxed) + duration_ns, std::memory_order_relaxed);
}

DownstreamMetrics::DownstreamMetrics(std::size_t max_label_sets) : series_(max_label_sets) {
    index_.reserve(max_label_sets);
}

DownstreamMetrics::Series& DownstreamMetrics::series_of(const Key& key) {
    if (const auto found = index_.find(key); found != index_.end()) return *found->second;
    if (series_.full()) return overflow_[key.is_call ? 1 : 0];
    auto made = std::make_unique<Series>();
    made->key = key;
    auto& series = series_.append(std::move(made));
    index_.emplace(key, &series);
    return series;
}

void DownstreamMetrics::observe(const Transaction& transaction) {
    const auto* calls = transaction.downstream.get();
    if (calls == nullptr || transaction.side != Side::server) return;
    Key key;
    key.service = transaction.service;
    key.route = transaction.route;
    key.port = transaction.server.port;
    series_of(key).add(calls->waited_ns);
    key.is_call = true;
    for (const auto& call : *calls) {
        key.callee = call.service;
        key.address = call.service.empty() ? call.peer.address : decltype(key.address){};
        key.callee_port = call.service.empty() ? call.peer.port : std::uint16_t{0};
        key.callee_family = call.service.empty() ? call.peer.family : std::uint8_t{0};
        series_of(key).add(call.duration_ns < 0 ? 0 : static_cast<std::uint64_t>(call.duration_ns));
    }
}

std::vector<prometheus::MetricFamily> DownstreamMetrics::Collect() const {
    auto waited = counters("sonde_http_server_downstream_seconds_total",
                           "Time in which requests had at least one call of their own under way.");
    auto number =
        counters("sonde_http_server_downstream_calls_total", "Number of calls made while requests were served.");
    auto seconds = counters("sonde_http_server_downstream_call_seconds_total",
                            "Durations of the calls made while requests were served; of calls at once each counts.");
    const auto add = [](prometheus::MetricFamily& to, const std::vector<prometheus::ClientMetric::Label>& labels,
                        double value) {
        auto& metric = to.metric.emplace_back();
        metric.label = labels;
        metric.counter.value = value;
    };
    const auto show = [&](const Series& series, std::vector<prometheus::ClientMetric::Label> labels, bool is_call) {
        const auto total = static_cast<double>(series.ns.load(std::memory_order_relaxed)) / 1e9;
        if (!is_call) return add(waited, labels, total);
        add(number, labels, static_cast<double>(series.count.load(std::memory_order_relaxed)));
        add(seconds, labels, total);
    };
    for (std::size_t i = 0; i < series_.size(); ++i) {
        const auto& series = series_.at(i);
        const auto& key = series.key;
        std::vector<prometheus::ClientMetric::Label> labels;
        if (!key.route.empty()) labels.push_back({"http_route", clean_label(key.route)});
        if (key.port != 0) labels.push_back({"server_port", std::to_string(key.port)});
        if (!key.service.empty()) labels.push_back({"service_name", clean_label(key.service)});
        if (key.is_call)
            labels.push_back({"downstream", key.callee.empty()
                                                ? text_of(key.address, key.callee_family, key.callee_port)
                                                : clean_label(key.callee)});
        show(series, std::move(labels), key.is_call);
    }
    for (const bool is_call : {false, true}) {
        const auto& series = overflow_[is_call ? 1 : 0];
        if (series.count.load(std::memory_order_relaxed) == 0) continue;
        std::vector<prometheus::ClientMetric::Label> labels{{"http_route", std::string(overflow_label)}};
        if (is_call) labels.push_back({"downstream", std::string(overflow_label)});
        show(series, std::move(labels), is_call);
    }
    std::vector<prometheus::MetricFamily> out;
    for (auto* one : {&waited, &number, &seconds})
        if (!one->metric.empty()) out.push_back(std::move(*one));
    return out;
}

}  // namespace sonde
