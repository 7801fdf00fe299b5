#include "agent/metric/http_metrics.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "agent/metric/label_text.hpp"
#include "agent/metric/prometheus_histogram.hpp"
#include "agent/route/route_table.hpp"

namespace sonde {
namespace {

using Label = prometheus::ClientMetric::Label;

// The methods of RFC 9110 and PATCH; a client may invent others, which share one label value (OpenTelemetry).
constexpr std::array<std::string_view, 10> methods{"_OTHER", "GET",     "HEAD",    "POST",  "PUT",
                                                   "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

constexpr const char* duration_name = "_request_duration_seconds";
constexpr const char* duration_help = "Duration of requests, from the first request byte to the last response byte.";

std::uint8_t method_index(std::string_view method) {
    for (std::uint8_t i = 1; i < methods.size(); ++i)
        if (methods[i] == method) return i;
    return 0;
}

void add(std::atomic<std::uint64_t>& cell) {
    cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void add_label(std::vector<Label>& labels, const char* name, std::string_view value) {
    if (!value.empty()) labels.push_back({name, std::string(value)});
}

prometheus::MetricFamily family(std::string name, std::string help, prometheus::MetricType type) {
    prometheus::MetricFamily out;
    out.name = std::move(name);
    out.help = std::move(help);
    out.type = type;
    return out;
}

std::string number(std::uint16_t value) { return value == 0 ? std::string{} : std::to_string(value); }

// "k8s_namespace_name=store", …, as Transaction::workload has them.
void add_workload(std::vector<Label>& labels, std::string_view workload) {
    while (!workload.empty()) {
        const auto pair = workload.substr(0, workload.find('\x1f'));
        workload.remove_prefix(std::min(workload.size(), pair.size() + 1));
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos) continue;
        labels.push_back({std::string(pair.substr(0, equals)), std::string(pair.substr(equals + 1))});
    }
}

// What names an endpoint in every family that does not depend on method and status.
void add_endpoint(std::vector<Label>& labels, std::string_view route, std::uint16_t port, std::string_view service) {
    add_label(labels, "http_route", route);
    add_label(labels, "server_port", number(port));
    add_label(labels, "service_name", service);
}

}  // namespace

std::size_t HttpMetrics::Key::hash() const {
    constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15;
    const std::hash<std::string_view> hash_of;
    const auto numbers = static_cast<std::uint64_t>(port) << 32 | static_cast<std::uint64_t>(status) << 16 |
                         static_cast<std::uint64_t>(method) << 8 | static_cast<std::uint64_t>(side);
    auto h = (numbers + 1) * multiplier;
    h = (std::rotl(h, 29) ^ hash_of(route)) * multiplier;
    h = (std::rotl(h, 29) ^ hash_of(service)) * multiplier;
    // most have none
    return workload.empty() ? h : (std::rotl(h, 29) ^ hash_of(workload)) * multiplier;
}

HttpMetrics::HttpMetrics(std::size_t max_label_sets, bool exponential)
    : has_exponential_(exponential),
      index_(std::bit_ceil(2 * max_label_sets + 1)),
      series_(max_label_sets),
      phases_(max_label_sets) {
    for (const auto side : {Side::server, Side::client}) {
        Key key;
        key.route = overflow_route;
        key.side = side;
        overflow_[static_cast<std::size_t>(side)] = make_series(key);
    }
    overflow_phases_.route = overflow_route;
    overflow_[static_cast<std::size_t>(Side::server)]->phases = &overflow_phases_;
}

std::unique_ptr<HttpMetrics::Series> HttpMetrics::make_series(const Key& key) const {
    auto series = std::make_unique<Series>();
    if (has_exponential_) series->exponential = std::make_unique<ExponentialHistogram>();
    series->service = key.service;
    series->route = key.route;
    series->workload = key.workload;
    series->key = key;
    series->key.service = series->service;
    series->key.route = series->route;
    series->key.workload = series->workload;
    return series;
}

HttpMetrics::Slot& HttpMetrics::find_slot(const Key& key, std::size_t hash) {
    const auto mask = index_.size() - 1;
    const auto tag = static_cast<std::uint32_t>(hash);
    for (auto i = hash >> 32;; ++i) {
        auto& slot = index_[i & mask];
        if (slot.series == nullptr || (slot.tag == tag && slot.series->key == key)) return slot;
    }
}

HttpMetrics::Series& HttpMetrics::series_for(const Key& key) {
    const auto hash = key.hash();
    const auto& slot = find_slot(key, hash);
    return slot.series != nullptr ? *slot.series : create(key, hash);
}

HttpMetrics::Series& HttpMetrics::create(const Key& key, std::size_t hash) {
    if (!is_clean_label(key.service) || !is_clean_label(key.route)) {
        const auto service = clean_label(key.service), route = clean_label(key.route);
        auto cleaned = key;
        cleaned.service = service;
        cleaned.route = route;
        return series_for(cleaned);
    }
    if (series_.full()) return overflow(key.side);
    auto made = make_series(key);
    if (key.side == Side::server) made->phases = &phases_for(key);
    auto& slot = find_slot(key, hash);
    slot.tag = static_cast<std::uint32_t>(hash);
    slot.series = &series_.append(std::move(made));
    return *slot.series;
}

HttpMetrics::Series& HttpMetrics::overflow(Side side) {
    add(overflowed_[static_cast<std::size_t>(side)]);
    return *overflow_[static_cast<std::size_t>(side)];
}

// Runs only when a label set is new. There are as many places as label sets, so one is always free.
HttpMetrics::PhaseSeries& HttpMetrics::phases_for(const Key& key) {
    const auto size = phases_.size();
    for (std::size_t i = 0; i < size; ++i) {
        auto& phases = phases_.at(i);
        if (phases.port == key.port && phases.route == key.route && phases.service == key.service &&
            phases.workload == key.workload)
            return phases;
    }
    auto made = std::make_unique<PhaseSeries>();
    made->service = key.service;
    made->route = key.route;
    made->workload = key.workload;
    made->port = key.port;
    return phases_.append(std::move(made));
}

void HttpMetrics::observe(const Transaction& transaction) {
    const auto side = static_cast<std::size_t>(transaction.side);
    add(outcomes_[side][static_cast<std::size_t>(transaction.outcome)]);
    auto& series = series_for({transaction.service, transaction.route, transaction.workload, transaction.server.port,
                               transaction.status, method_index(transaction.method), transaction.side});
    const auto bucket = series.duration.observe(transaction.duration_ns);
    if (series.exponential) series.exponential->observe(transaction.duration_ns);
    if (!transaction.trace.trace_id.empty())
        exemplars_.offer(&series.duration, bucket, transaction.trace.trace_id, transaction.duration_ns,
                         transaction.time_ns);
    if (transaction.request_body_bytes >= 0)
        series.request_body.observe(static_cast<std::uint64_t>(transaction.request_body_bytes));
    if (transaction.response_body_bytes >= 0)
        series.response_body.observe(static_cast<std::uint64_t>(transaction.response_body_bytes));
    if (series.phases == nullptr) return;
    for (std::size_t phase = 0; phase < phase_count; ++phase) {
        const auto ns = transaction.phase_ns[phase];
        if (ns >= 0) series.phases->phases[phase].observe(static_cast<std::uint64_t>(ns));
    }
}

template <typename Visit>
void HttpMetrics::for_each_series(Side side, Visit visit) const {
    const auto size = series_.size();
    for (std::size_t i = 0; i < size; ++i)
        if (series_.at(i).key.side == side) visit(series_.at(i));
    const auto index = static_cast<std::size_t>(side);
    if (overflowed_[index].load(std::memory_order_relaxed) > 0) visit(*overflow_[index]);
}

std::vector<Label> HttpMetrics::labels_of(const Series& series) const {
    const auto& key = series.key;
    const bool overflowed = &series == overflow_[static_cast<std::size_t>(key.side)].get();
    std::vector<Label> labels;
    add_label(labels, "http_request_method", overflowed ? std::string_view{} : methods[key.method]);
    add_label(labels, "http_route", series.route);
    add_label(labels, "http_response_status_code", number(key.status));
    add_label(labels, "server_port", number(key.port));
    add_label(labels, "service_name", series.service);
    add_workload(labels, series.workload);
    return labels;
}

ExemplarsBySeries HttpMetrics::exemplars() const {
    ExemplarsBySeries out;
    for (const auto side : {Side::server, Side::client})
        for_each_series(side, [&](const Series& series) {
            std::vector<ShownExemplar> shown;
            for (std::size_t bucket = 0; bucket <= DurationHistogram::bound_count; ++bucket)
                if (const auto found = exemplars_.find(&series.duration, bucket))
                    shown.push_back({bucket, *found, DurationBounds::unit});
            if (shown.empty()) return;
            auto key = "http_" + std::string(to_string(side)) + "_request_duration_seconds{";
            append_labels(key, labels_of(series));
            out.emplace(std::move(key), std::move(shown));
        });
    return out;
}

std::vector<ExponentialFamily> HttpMetrics::exponential() const {
    std::vector<ExponentialFamily> out;
    if (!has_exponential_) return out;
    for (const auto side : {Side::server, Side::client}) {
        auto& family = out.emplace_back();
        family.name = "http_" + std::string(to_string(side)) + duration_name;
        family.help = duration_help;
        for_each_series(side, [&](const Series& series) {
            auto histogram = series.exponential->snapshot();
            if (histogram.count == 0) return;
            auto& made = family.series.emplace_back();
            for (auto& label : labels_of(series))
                made.labels.emplace_back(std::move(label.name), std::move(label.value));
            made.histogram = std::move(histogram);
        });
    }
    return out;
}

template <typename Member>
void HttpMetrics::add_family(std::vector<prometheus::MetricFamily>& out, Side side, const char* what, const char* help,
                             Member member) const {
    auto made = family("http_" + std::string(to_string(side)) + what, help, prometheus::MetricType::Histogram);
    for_each_series(side, [&](const Series& series) {
        prometheus::ClientMetric metric;
        metric.histogram = to_prometheus(series.*member);
        if (metric.histogram.sample_count == 0) return;
        metric.label = labels_of(series);
        made.metric.push_back(std::move(metric));
    });
    if (!made.metric.empty()) out.push_back(std::move(made));
}

void HttpMetrics::add_phases(std::vector<prometheus::MetricFamily>& out) const {
    auto made = family("sonde_http_server_phase_seconds",
                       "Where the time of requests went, by phase; phases that were not observed are not counted.",
                       prometheus::MetricType::Histogram);
    const auto visit = [&made](const PhaseSeries& series) {
        for (std::size_t phase = 0; phase < phase_count; ++phase) {
            prometheus::ClientMetric metric;
            metric.histogram = to_prometheus(series.phases[phase]);
            if (metric.histogram.sample_count == 0) continue;
            add_label(metric.label, "phase", phase_names[phase]);
            add_endpoint(metric.label, series.route, series.port, series.service);
            add_workload(metric.label, series.workload);
            made.metric.push_back(std::move(metric));
        }
    };
    const auto size = phases_.size();
    for (std::size_t i = 0; i < size; ++i) visit(phases_.at(i));
    visit(overflow_phases_);
    if (!made.metric.empty()) out.push_back(std::move(made));
}

// What the requests of an endpoint cost in total.
void HttpMetrics::add_costs(std::vector<prometheus::MetricFamily>& out) const {
    struct Cost {
        Phase phase;
        const char* name;
        const char* help;
    };
    constexpr std::array<Cost, 3> costs{
        {{Phase::cpu, "sonde_http_server_cpu_seconds_total",
          "CPU time of requests; those for which it was not observed are left out."},
         {Phase::runqueue, "sonde_http_server_runqueue_seconds_total",
          "Time for which requests were ready to run and had no core, where it was observed."},
         {Phase::blocked, "sonde_http_server_blocked_seconds_total",
          "Time for which requests waited for anything but a core, where it was observed."}}};
    for (const auto& cost : costs) {
        auto made = family(cost.name, cost.help, prometheus::MetricType::Counter);
        const auto visit = [&](const PhaseSeries& series) {
            const auto snapshot = series.phases[static_cast<std::size_t>(cost.phase)].snapshot();
            if (snapshot.count == 0) return;
            prometheus::ClientMetric metric;
            metric.counter.value = static_cast<double>(snapshot.sum) / DurationBounds::unit;
            add_endpoint(metric.label, series.route, series.port, series.service);
            add_workload(metric.label, series.workload);
            made.metric.push_back(std::move(metric));
        };
        const auto size = phases_.size();
        for (std::size_t i = 0; i < size; ++i) visit(phases_.at(i));
        visit(overflow_phases_);
        if (!made.metric.empty()) out.push_back(std::move(made));
    }
}

void HttpMetrics::add_counters(std::vector<prometheus::MetricFamily>& out) const {
    const auto counter = [](std::vector<Label> labels, const std::atomic<std::uint64_t>& value) {
        prometheus::ClientMetric metric;
        metric.label = std::move(labels);
        metric.counter.value = static_cast<double>(value.load(std::memory_order_relaxed));
        return metric;
    };
    auto transactions = family("sonde_transactions_total", "Number of transactions by side and outcome.",
                               prometheus::MetricType::Counter);
    auto overflows = family("sonde_http_overflow_total",
                            "Number of transactions counted in the overflow label set because the budget was spent.",
                            prometheus::MetricType::Counter);
    for (const auto side : {Side::server, Side::client}) {
        const std::string side_name(to_string(side));
        const auto index = static_cast<std::size_t>(side);
        for (std::size_t i = 0; i < outcomes_[index].size(); ++i) {
            const std::string outcome(to_string(static_cast<Outcome>(i)));
            transactions.metric.push_back(counter({{"side", side_name}, {"outcome", outcome}}, outcomes_[index][i]));
        }
        overflows.metric.push_back(counter({{"side", side_name}}, overflowed_[index]));
    }
    auto sets =
        family("sonde_http_label_sets", "Number of label sets that HTTP metrics hold.", prometheus::MetricType::Gauge);
    sets.metric.resize(1);
    sets.metric[0].gauge.value = static_cast<double>(series_.size());
    out.push_back(std::move(transactions));
    out.push_back(std::move(overflows));
    out.push_back(std::move(sets));
}

std::vector<prometheus::MetricFamily> HttpMetrics::Collect() const {
    std::vector<prometheus::MetricFamily> out;
    for (const auto side : {Side::server, Side::client}) {
        add_family(out, side, duration_name, duration_help, &Series::duration);
        add_family(out, side, "_request_body_size_bytes", "Size of request bodies as transferred.",
                   &Series::request_body);
        add_family(out, side, "_response_body_size_bytes", "Size of response bodies as transferred.",
                   &Series::response_body);
    }
    add_phases(out);
    add_costs(out);
    add_counters(out);
    return out;
}

}  // namespace sonde
