#include "agent/metric/websocket_metrics.hpp"

#include <utility>

#include "agent/metric/label_text.hpp"
#include "agent/metric/prometheus_histogram.hpp"

namespace sonde {
namespace {

constexpr std::array<std::string_view, 2> direction_names{"received", "sent"};

prometheus::MetricFamily family(const char* name, const char* help, prometheus::MetricType type) {
    return {name, help, type, {}};
}

}  // namespace

std::string_view websocket_code_label(std::uint16_t code) {
    constexpr std::uint16_t first = 1000;
    constexpr std::array<std::string_view, 16> known{"1000", "1001", "1002", "1003", "1004", "1005", "1006", "1007",
                                                     "1008", "1009", "1010", "1011", "1012", "1013", "1014", "1015"};
    if (code == 0) return "none";
    if (code >= first && code < first + known.size()) return known[code - first];
    if (code >= 3000 && code < 4000) return "3xxx";
    if (code >= 4000 && code < 5000) return "4xxx";
    return "other";
}

WebSocketMetrics::Series& WebSocketMetrics::series_of(const Transaction& transaction) {
    Key key{clean_label(transaction.service), clean_label(transaction.route), transaction.server.port,
            transaction.side};
    const auto found = series_.find(key);
    if (found != series_.end()) return found->second;
    if (series_.size() >= max_label_sets_) key = {"", "{overflow}", 0, transaction.side};
    return series_[std::move(key)];
}

void WebSocketMetrics::opened(const Transaction& upgrade) {
    const std::lock_guard lock(mutex_);
    ++series_of(upgrade).opened;
}

void WebSocketMetrics::moved(const Transaction& upgrade, bool outgoing, std::uint64_t messages, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    auto& series = series_of(upgrade);
    series.messages[outgoing ? 1 : 0] += messages;
    series.bytes[outgoing ? 1 : 0] += bytes;
}

void WebSocketMetrics::closed(const Transaction& connection) {
    const auto& totals = connection.websocket;
    const std::lock_guard lock(mutex_);
    auto& series = series_of(connection);
    ++series.closed;
    ++series.closed_by[{websocket_code_label(totals.close_code),
                        totals.has_closer ? to_string(totals.closed_by) : std::string_view{}}];
    series.duration.observe(connection.duration_ns);
    for (std::size_t i = 0; i < direction_names.size(); ++i)
        if (totals.messages[i] < 0) ++series.unobserved[i];
}

std::vector<prometheus::MetricFamily> WebSocketMetrics::Collect() const {
    using prometheus::MetricType;
    auto active =
        family("sonde_websocket_connections", "Number of WebSocket connections that are open.", MetricType::Gauge);
    auto opened = family("sonde_websocket_opened_total", "Number of WebSocket connections that were opened.",
                         MetricType::Counter);
    auto closed = family("sonde_websocket_closed_total", "Number of WebSocket connections that ended, by Close code.",
                         MetricType::Counter);
    auto messages = family("sonde_websocket_messages_total", "Number of messages, fragments of one counted once.",
                           MetricType::Counter);
    auto bytes =
        family("sonde_websocket_bytes_total", "Number of payload bytes of messages, as sent.", MetricType::Counter);
    auto unobserved =
        family("sonde_websocket_unobserved_total",
               "Number of ended directions whose messages could not all be counted.", MetricType::Counter);
    auto duration = family("sonde_websocket_connection_duration_seconds",
                           "Time from the upgrade's first byte to the end of the connection.", MetricType::Histogram);
    const std::lock_guard lock(mutex_);
    for (const auto& [key, series] : series_) {
        std::vector<prometheus::ClientMetric::Label> labels{{"side", std::string(to_string(key.side))}};
        if (!key.route.empty()) labels.push_back({"http_route", key.route});
        if (key.port != 0) labels.push_back({"server_port", std::to_string(key.port)});
        if (!key.service.empty()) labels.push_back({"service_name", key.service});
        const auto add = [&](prometheus::MetricFamily& to, std::uint64_t value,
                             std::vector<std::pair<const char*, std::string_view>> more = {}) {
            auto& metric = to.metric.emplace_back();
            metric.label = labels;
            for (const auto& [name, text] : more) metric.label.push_back({name, std::string(text)});
            (to.type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = static_cast<double>(value);
        };
        add(active, series.opened - series.closed);
        add(opened, series.opened);
        for (const auto& [how, count] : series.closed_by) add(closed, count, {{"code", how.first}, {"by", how.second}});
        for (std::size_t i = 0; i < direction_names.size(); ++i) {
            add(messages, series.messages[i], {{"direction", direction_names[i]}});
            add(bytes, series.bytes[i], {{"direction", direction_names[i]}});
            add(unobserved, series.unobserved[i], {{"direction", direction_names[i]}});
        }
        auto& metric = duration.metric.emplace_back();
        metric.label = labels;
        metric.histogram = to_prometheus(series.duration);
    }
    std::vector<prometheus::MetricFamily> out;
    if (series_.empty()) return out;
    for (auto* one : {&active, &opened, &closed, &messages, &bytes, &unobserved, &duration})
        out.push_back(std::move(*one));
    return out;
}

}  // namespace sonde
