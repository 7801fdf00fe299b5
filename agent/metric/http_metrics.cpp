#include "agent/metric/http_metrics.hpp"

#include <prometheus/metric_family.h>

#include <limits>

namespace sonde {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Methods of RFC 9110 and RFC 5789; others share a name, since anybody can invent some
// (OpenTelemetry semantic conventions, http.request.method).
constexpr std::array<std::string_view, 10> methods{"_OTHER",  "GET",     "HEAD",  "POST", "PUT",
                                                   "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

std::uint8_t method_index(std::string_view method) {
    for (std::size_t i = 1; i < methods.size(); ++i)
        if (methods[i] == method) return static_cast<std::uint8_t>(i);
    return 0;
}

void bump(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

template <typename Any>
void fill(ClientMetric& metric, const Any& histogram) {
    std::uint64_t cumulative = 0;
    const auto& bounds = histogram.bounds();
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
        cumulative += histogram.bucket(i);
        ClientMetric::Bucket bucket;
        bucket.cumulative_count = cumulative;
        bucket.upper_bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
        metric.histogram.bucket.push_back(bucket);
    }
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = histogram.sum();
}

MetricFamily family(const char* name, const char* help, MetricType type) {
    MetricFamily made;
    made.name = name;
    made.help = help;
    made.type = type;
    return made;
}

template <typename Any>
void append(MetricFamily& to, const std::vector<ClientMetric::Label>& labels, const Any& histogram) {
    ClientMetric metric;
    metric.label = labels;
    fill(metric, histogram);
    to.metric.push_back(std::move(metric));
}

void keep_filled(std::vector<MetricFamily>& out, MetricFamily&& made) {
    if (!made.metric.empty()) out.push_back(std::move(made));
}

}  // namespace

std::size_t HttpMetrics::KeyHash::operator()(const Key& key) const {
    constexpr std::size_t odd = 0x9e3779b97f4a7c15ULL;
    auto hash = (reinterpret_cast<std::uintptr_t>(key.route) * odd) ^ reinterpret_cast<std::uintptr_t>(key.service);
    hash = hash * odd + ((std::size_t{key.status} << 32) | (std::size_t{key.port} << 16) | (std::size_t{key.method} << 8) |
                         static_cast<std::size_t>(key.side));
    return hash ^ (hash >> 29);
}

HttpMetrics::HttpMetrics(HttpMetricsLimits limits)
    : limits_(limits), requests_(limits.max_series + 2), phases_(limits.max_series + 1) {}

HttpMetrics::RequestSeries& HttpMetrics::request_series(const Transaction& t) {
    const auto method = method_index(t.method.view());
    const Key key{t.route.data(), t.service.data(), t.status, t.server.port, method, t.side};
    if (const auto at = request_index_.find(key); at != request_index_.end()) return *at->second;
    auto made = std::make_unique<RequestSeries>();
    made->side = t.side;
    if (request_index_.size() >= limits_.max_series) {
        bump(overflows_);
        auto& overflow = request_overflow_[static_cast<std::size_t>(t.side)];
        if (overflow != nullptr) return *overflow;
        made->route = "{overflow}";
        made->method = methods[0];
        overflow = &requests_.add(std::move(made));
        return *overflow;
    }
    made->method = methods[method];
    made->route = t.route;
    made->service = t.service;
    made->status = t.status;
    made->port = t.server.port;
    auto& added = requests_.add(std::move(made));
    request_index_.emplace(key, &added);
    return added;
}

HttpMetrics::PhaseSeries& HttpMetrics::phase_series(const Transaction& t) {
    const Key key{t.route.data(), t.service.data(), 0, t.server.port, 0, t.side};
    if (const auto at = phase_index_.find(key); at != phase_index_.end()) return *at->second;
    auto made = std::make_unique<PhaseSeries>();
    if (phase_index_.size() >= limits_.max_series) {
        if (phase_overflow_ != nullptr) return *phase_overflow_;
        made->route = "{overflow}";
        phase_overflow_ = &phases_.add(std::move(made));
        return *phase_overflow_;
    }
    made->route = t.route;
    made->service = t.service;
    made->port = t.server.port;
    auto& added = phases_.add(std::move(made));
    phase_index_.emplace(key, &added);
    return added;
}

void HttpMetrics::observe(const Transaction& t) {
    bump(outcomes_[static_cast<std::size_t>(t.side)][static_cast<std::size_t>(t.outcome)]);
    auto& series = request_series(t);
    series.duration.add(static_cast<double>(t.duration_ns) / 1e9);
    if (t.request_body_bytes >= 0) series.request_body.add(static_cast<double>(t.request_body_bytes));
    if (t.response_body_bytes >= 0) series.response_body.add(static_cast<double>(t.response_body_bytes));
    if (t.side != Side::server) return;
    auto& phases = phase_series(t).phases;
    for (std::size_t i = 0; i < phase_count; ++i)
        if (t.phase_ns[i] != unobserved_ns) phases[i].add(static_cast<double>(t.phase_ns[i]) / 1e9);
}

std::vector<MetricFamily> HttpMetrics::Collect() const {
    const std::array<const char*, 2> sides{"server", "client"};
    std::array<MetricFamily, 2> durations, requests, responses;
    for (std::size_t side = 0; side < 2; ++side) {
        const std::string start = std::string("http_") + sides[side];
        durations[side] = family((start + "_request_duration_seconds").c_str(),
                                 "First request byte on the socket to last response byte.", MetricType::Histogram);
        requests[side] = family((start + "_request_body_size_bytes").c_str(), "Request bodies as transferred.",
                                MetricType::Histogram);
        responses[side] = family((start + "_response_body_size_bytes").c_str(), "Response bodies as transferred.",
                                 MetricType::Histogram);
    }
    const auto request_count = requests_.count.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < request_count; ++i) {
        const auto& series = *requests_.slots[i];
        std::vector<ClientMetric::Label> labels{{"http_request_method", series.method},
                                                {"http_route", series.route},
                                                {"server_port", std::to_string(series.port)},
                                                {"service_name", series.service}};
        // a status that was not observed is not a status
        if (series.status != 0) labels.push_back({"http_response_status_code", std::to_string(series.status)});
        const auto side = static_cast<std::size_t>(series.side);
        append(durations[side], labels, series.duration);
        append(requests[side], labels, series.request_body);
        append(responses[side], labels, series.response_body);
    }
    auto phases = family("sonde_http_server_phase_seconds", "Where the time of server requests went, by phase.",
                         MetricType::Histogram);
    const auto phase_series_count = phases_.count.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < phase_series_count; ++i) {
        const auto& series = *phases_.slots[i];
        for (std::size_t phase = 0; phase < phase_count; ++phase)
            append(phases,
                   {{"phase", std::string(phase_names[phase])},
                    {"http_route", series.route},
                    {"server_port", std::to_string(series.port)},
                    {"service_name", series.service}},
                   series.phases[phase]);
    }
    auto totals = family("sonde_transactions_total", "Number of transactions by side and outcome.", MetricType::Counter);
    for (std::size_t side = 0; side < 2; ++side)
        for (std::size_t outcome = 0; outcome < 4; ++outcome) {
            ClientMetric metric;
            metric.label = {{"side", sides[side]}, {"outcome", std::string(to_string(static_cast<Outcome>(outcome)))}};
            metric.counter.value = static_cast<double>(outcomes_[side][outcome].load(std::memory_order_relaxed));
            totals.metric.push_back(std::move(metric));
        }
    std::vector<MetricFamily> out;
    for (std::size_t side = 0; side < 2; ++side) {
        keep_filled(out, std::move(durations[side]));
        keep_filled(out, std::move(requests[side]));
        keep_filled(out, std::move(responses[side]));
    }
    keep_filled(out, std::move(phases));
    out.push_back(std::move(totals));
    return out;
}

}  // namespace sonde
