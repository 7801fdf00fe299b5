#include "sinks/otlp/metric_encoder.hpp"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace sonde {
namespace {

constexpr std::int32_t cumulative = 2;  // AggregationTemporality

struct Semantic {
    std::string_view prometheus, name;
};
// What stands behind http_server and http_client in the conventions' names.
constexpr std::array<Semantic, 3> http_names{{{"_request_duration_seconds", ".request.duration"},
                                              {"_request_body_size_bytes", ".request.body.size"},
                                              {"_response_body_size_bytes", ".response.body.size"}}};
constexpr std::array<Semantic, 4> attribute_names{{{"http_request_method", "http.request.method"},
                                                   {"http_route", "http.route"},
                                                   {"http_response_status_code", "http.response.status_code"},
                                                   {"server_port", "server.port"}}};

std::string shown_name(std::string_view name) {
    for (const auto& [prometheus, shown] : http_names)
        for (const auto* side : {"server", "client"})
            if (name == "http_" + std::string(side) + std::string(prometheus))
                return "http." + std::string(side) + std::string(shown);
    return std::string(name);
}

// UCUM, as the conventions want it.
std::string_view unit_of(std::string_view name) {
    if (name.ends_with("_total")) name.remove_suffix(std::string_view("_total").size());
    if (name.ends_with("_seconds")) return "s";
    if (name.ends_with("_bytes")) return "By";
    if (name.ends_with("_ratio")) return "1";
    return {};
}

// The machine, its processes and containers count from their own beginning, which is not the agent's.
bool counts_from_the_agents_start(std::string_view name) {
    return !name.starts_with("process_") && !name.starts_with("container_") && !name.starts_with("system_");
}

bool is_of_resource(std::string_view label) {
    return label == "service_name" ||
           (label.starts_with("k8s_") && (label.ends_with("_name") || label.ends_with("_uid")));
}

// k8s_pod_name → k8s.pod.name
std::string with_dots(std::string name) {
    std::replace(name.begin(), name.end(), '_', '.');
    return name;
}

template <typename Visitor>
void visit_label(std::string_view name, std::string_view value, Visitor&& visitor) {
    for (const auto& [prometheus, shown] : attribute_names) {
        if (name != prometheus) continue;
        std::int64_t number = 0;
        const auto* const end = value.data() + value.size();
        const bool is_number = name == "http_response_status_code" || name == "server_port";
        if (is_number && std::from_chars(value.data(), end, number).ptr == end) return visitor.integer(shown, number);
        return visitor.text(shown, value);
    }
    visitor.text(name, value);
}

std::vector<std::pair<std::string, std::string>> pairs_of(const std::vector<prometheus::ClientMetric::Label>& labels) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& [name, value] : labels) out.emplace_back(name, value);
    return out;
}

}  // namespace

MetricEncoder::MetricEncoder(const OtlpOptions& options, std::string version, OtlpMetricSource source)
    : interval_ms_(options.interval_ms),
      source_(std::move(source)),
      start_ns_(source_.real_ns()),
      request_(OtlpSignal::metrics, options, std::move(version)) {}

std::uint32_t MetricEncoder::tick(std::uint64_t now_ms) {
    if (sent_ == waiting_.size()) {
        if (now_ms < next_ms_) return 0;
        // from the time that was meant: a slow destination must not stretch the interval
        next_ms_ = next_ms_ == 0 || now_ms - next_ms_ >= interval_ms_ ? now_ms + interval_ms_ : next_ms_ + interval_ms_;
        snapshot();
    }
    const auto begin = sent_;
    const auto end = std::min<std::size_t>(waiting_.size(), begin + source_.points_per_request);
    while (sent_ < end) {
        const auto& first = waiting_[sent_];
        std::string points;
        for (; sent_ < end; ++sent_) {
            const auto& point = waiting_[sent_];
            if (point.family != first.family || point.resource_key != first.resource_key) break;
            if (request_.format() == OtlpFormat::json && !points.empty()) points += ',';
            points += point.encoded;
        }
        write_metric(first, points);
    }
    return static_cast<std::uint32_t>(end - begin);
}

void MetricEncoder::snapshot() {
    waiting_.clear();
    families_.clear();
    sent_ = 0;
    snapshot_ns_ = source_.real_ns();
    std::vector<ExponentialFamily> exponential;
    if (source_.exponential) exponential = source_.exponential();
    for (const auto& family : exponential) {
        begin_family(family.name, family.help, Kind::exponential_histogram);
        for (const auto& [labels, histogram] : family.series)
            // ExponentialHistogramDataPoint of opentelemetry/proto/metrics/v1/metrics.proto, as all others below
            add_point(labels, 1, [&histogram = histogram](auto& out) {
                out.fixed64(4, "count", histogram.count);
                out.real(5, "sum", histogram.sum);
                out.sint32(6, "scale", histogram.scale);
                out.fixed64(7, "zeroCount", histogram.zero_count);
                out.message(8, "positive", [&](auto& buckets) {
                    buckets.sint32(1, "offset", histogram.offset);
                    buckets.varints(2, "bucketCounts", histogram.counts);
                });
                out.real(14, "zeroThreshold", histogram.zero_threshold);
            });
    }
    constexpr std::array<Kind, 5> kinds{Kind::sum, Kind::gauge, Kind::summary, Kind::gauge, Kind::histogram};
    for (const auto& family : source_.collect()) {
        const bool replaced = std::any_of(exponential.begin(), exponential.end(),
                                          [&](const auto& other) { return other.name == family.name; });
        if (replaced) continue;
        begin_family(family.name, family.help, kinds[static_cast<std::size_t>(family.type)]);
        for (const auto& metric : family.metric) add_metric(metric, family.type);
    }
    std::stable_sort(waiting_.begin(), waiting_.end(), [](const Point& a, const Point& b) {
        return std::tie(a.resource_key, a.family) < std::tie(b.resource_key, b.family);
    });
}

void MetricEncoder::begin_family(const std::string& name, const std::string& help, Kind kind) {
    const auto start = counts_from_the_agents_start(name) && kind != Kind::gauge ? start_ns_ : 0;
    families_.push_back({shown_name(name), help, std::string(unit_of(name)), kind, start});
}

template <typename Fill>
void MetricEncoder::add_point(const Labels& labels, std::uint32_t attributes_tag, Fill fill) {
    auto& point = waiting_.emplace_back();
    point.family = families_.size() - 1;
    for (const auto& label : labels) {
        if (!is_of_resource(label.first) || label.second.empty()) continue;
        point.resource.push_back(label);
        point.resource_key += label.first + '=' + label.second + '\0';
    }
    write_item(request_.format(), point.encoded, 1, [&](auto& out) {
        if (const auto start = families_.back().start_ns; start != 0) out.fixed64(2, "startTimeUnixNano", start);
        out.fixed64(3, "timeUnixNano", snapshot_ns_);
        fill(out);
        out.attributes(attributes_tag, "attributes", [&](auto&& visitor) {
            for (const auto& [name, value] : labels)
                if (!is_of_resource(name) && !value.empty()) visit_label(name, value, visitor);
        });
    });
}

void MetricEncoder::add_metric(const prometheus::ClientMetric& metric, prometheus::MetricType type) {
    using prometheus::MetricType;
    const auto labels = pairs_of(metric.label);
    const auto number = [&](double value) { add_point(labels, 7, [&](auto& out) { out.real(4, "asDouble", value); }); };
    if (type == MetricType::Counter) return number(metric.counter.value);
    if (type == MetricType::Gauge) return number(metric.gauge.value);
    if (type == MetricType::Untyped) return number(metric.untyped.value);
    if (type == MetricType::Summary) {
        const auto& summary = metric.summary;
        return add_point(labels, 7, [&](auto& out) {
            out.fixed64(4, "count", summary.sample_count);
            out.real(5, "sum", summary.sample_sum);
            out.messages(6, "quantileValues", summary.quantile.size(), [&](auto& value, std::size_t i) {
                value.real(1, "quantile", summary.quantile[i].quantile);
                value.real(2, "value", summary.quantile[i].value);
            });
        });
    }
    const auto& histogram = metric.histogram;
    std::vector<std::uint64_t> counts;  // not cumulative, the last one over the last bound
    std::vector<double> bounds;
    std::uint64_t below = 0;
    for (const auto& bucket : histogram.bucket) {
        if (std::isinf(bucket.upper_bound)) break;
        counts.push_back(bucket.cumulative_count - below);
        bounds.push_back(bucket.upper_bound);
        below = bucket.cumulative_count;
    }
    counts.push_back(histogram.sample_count - below);
    add_point(labels, 9, [&](auto& out) {
        out.fixed64(4, "count", histogram.sample_count);
        out.real(5, "sum", histogram.sample_sum);
        out.fixed64s(6, "bucketCounts", counts);
        out.reals(7, "explicitBounds", bounds);
    });
}

void MetricEncoder::write_metric(const Point& first, const std::string& points) {
    constexpr std::array<std::pair<std::uint32_t, std::string_view>, 5> fields{
        {{5, "gauge"}, {7, "sum"}, {9, "histogram"}, {10, "exponentialHistogram"}, {11, "summary"}}};
    const auto& family = families_[first.family];
    const auto& [tag, field] = fields[static_cast<std::size_t>(family.kind)];
    request_.add(
        first.resource_key,
        [&](auto& visitor) {
            bool named = false;
            for (const auto& [label, value] : first.resource) {
                visitor.text(with_dots(label), value);
                named = named || label == "service_name";
            }
            if (!named) visitor.text("service.name", "sonde");  // what it says of the machine and of itself
        },
        [&, tag = tag, field = field](auto& metric) {
            metric.text(1, "name", family.name);
            metric.text(2, "description", family.help);
            if (!family.unit.empty()) metric.text(3, "unit", family.unit);
            metric.message_of(tag, field, "dataPoints", points, [&](auto& data) {
                if (family.kind != Kind::gauge && family.kind != Kind::summary)
                    data.enumeration(2, "aggregationTemporality", cumulative);
                if (family.kind == Kind::sum) data.boolean(3, "isMonotonic", true);
            });
        });
}

}  // namespace sonde
