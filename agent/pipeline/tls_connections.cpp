#include "agent/pipeline/tls_connections.hpp"

#include <algorithm>
#include <utility>

#include "agent/metric/prometheus_histogram.hpp"
#include "agent/protocol/client_hello.hpp"

namespace sonde {
namespace {

constexpr const char* overflow_name = "{overflow}";

std::string lower(std::string_view name) {
    std::string out(name);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

}  // namespace

TlsConnections::TlsConnections(TlsConnectionLimits limits) : limits_(limits) { open_.reserve(1024); }

TlsConnections::Series& TlsConnections::series_of(Names names) {
    const std::lock_guard lock(mutex_);
    const auto at = series_.find(names);
    if (at != series_.end()) return at->second;
    if (series_.size() >= limits_.label_sets) names = {overflow_name, "", "", names.client};
    return series_[std::move(names)];
}

void TlsConnections::on(const TlsHello& event) {
    const auto hello = parse_client_hello(event.bytes);
    if (hello.state == ParseState::invalid) return;
    if (open_.size() >= limits_.connections) {
        // an arbitrary one: its end was lost, or the limit is too small
        open_.erase(open_.begin());
        forgotten_.fetch_add(1, std::memory_order_relaxed);
    }
    auto& series = series_of({lower(hello.server_name.view()), std::string(tls_version_name(hello.version)),
                              std::string(hello.alpn.view()), event.outgoing});
    open_.insert_or_assign(event.cookie, Open{&series, event.time_ns});
}

void TlsConnections::on_plaintext(std::uint64_t cookie) {
    const auto at = open_.find(cookie);
    if (at == open_.end() || at->second.readable) return;
    at->second.readable = true;
    const std::lock_guard lock(mutex_);
    ++at->second.series->count[1];
}

void TlsConnections::on(const ConnClose& event) {
    if (open_.empty()) return;
    const auto at = open_.find(event.cookie);
    if (at == open_.end()) return;
    auto& [series, began_ns, readable] = at->second;
    {
        const std::lock_guard lock(mutex_);
        if (!readable) ++series->count[0];
        series->duration[readable].observe(event.time_ns - std::min(began_ns, event.time_ns));
    }
    open_.erase(at);
}

std::vector<prometheus::MetricFamily> TlsConnections::Collect() const {
    prometheus::MetricFamily total{
        "sonde_tls_connections_total",
        "Number of TLS connections by what their ClientHello says; readable: sonde sees what "
        "they carry. Counted by the pipeline.",
        prometheus::MetricType::Counter,
        {}};
    prometheus::MetricFamily duration{"sonde_tls_connection_duration_seconds",
                                      "Time from the ClientHello to the end of the connection.",
                                      prometheus::MetricType::Histogram,
                                      {}};
    const std::lock_guard lock(mutex_);
    for (const auto& [names, series] : series_) {
        for (const bool readable : {false, true}) {
            const std::vector<prometheus::ClientMetric::Label> labels{{"server_name", names.server_name},
                                                                      {"version", names.version},
                                                                      {"alpn", names.alpn},
                                                                      {"side", names.client ? "client" : "server"},
                                                                      {"readable", readable ? "true" : "false"}};
            if (series.count[readable] > 0) {
                auto& metric = total.metric.emplace_back();
                metric.label = labels;
                metric.counter.value = static_cast<double>(series.count[readable]);
            }
            auto histogram = to_prometheus(series.duration[readable]);
            if (histogram.sample_count > 0) {
                auto& metric = duration.metric.emplace_back();
                metric.label = labels;
                metric.histogram = std::move(histogram);
            }
        }
    }
    std::vector<prometheus::MetricFamily> families;
    if (!total.metric.empty()) families.push_back(std::move(total));
    if (!duration.metric.empty()) families.push_back(std::move(duration));
    return families;
}

}  // namespace sonde
