#include "sinks/otlp/metric_encoder.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/support/otlp_schema.hpp"

namespace sonde {
namespace {

namespace json = boost::json;
using Attributes = std::map<std::string, std::string>;
using prometheus::MetricType;

prometheus::MetricFamily family(const std::string& name, MetricType type,
                                std::vector<prometheus::ClientMetric::Label> labels = {}) {
    prometheus::MetricFamily out{name, "Help of " + name + ".", type, {}};
    out.metric.emplace_back().label = std::move(labels);
    return out;
}

std::vector<prometheus::MetricFamily> one_of_each() {
    std::vector<prometheus::MetricFamily> out;
    out.push_back(family("sonde_seen_total", MetricType::Counter, {{"side", "server"}}));
    out.back().metric[0].counter.value = 42;
    out.push_back(family("process_cpu_seconds_total", MetricType::Counter, {{"service_name", "shop"}}));
    out.back().metric[0].counter.value = 1.5;
    out.push_back(family("system_memory_bytes", MetricType::Gauge));
    out.back().metric[0].gauge.value = INFINITY;
    out.push_back(family("sonde_wait_seconds", MetricType::Summary));
    out.back().metric[0].summary = {7, 3.5, {{0.5, 0.25}, {0.99, 1}}};
    out.push_back(family("http_server_request_body_size_bytes", MetricType::Histogram,
                         {{"http_request_method", "GET"},
                          {"http_response_status_code", "200"},
                          {"server_port", "8080"},
                          {"http_route", ""},
                          {"service_name", "shop"},
                          {"k8s_pod_name", "shop-1"}}));
    out.back().metric[0].histogram = {5, 2.25, {{2, 100}, {4, 1000}}};
    out.push_back(family("http_server_request_duration_seconds", MetricType::Histogram));  // stands in exponential()
    return out;
}

std::vector<ExponentialFamily> exponential() {
    ExponentialSnapshot histogram;
    histogram.scale = 3;
    histogram.offset = -5;
    histogram.counts = {1, 0, 300};
    histogram.zero_count = 2;
    histogram.zero_threshold = 0.5;
    histogram.count = 303;
    histogram.sum = 12.25;
    return {{"http_server_request_duration_seconds",
             "Duration.",
             {{{{"http_route", "/a"}, {"service_name", "shop"}}, histogram}}}};
}

class OtlpMetricEncoderTest : public testing::TestWithParam<OtlpFormat> {
protected:
    MetricEncoder make(std::uint32_t points_per_request = 512) {
        return {{.format = GetParam(), .gzip = false, .interval_ms = 1000, .resource = {{"host.name", "n1"}}},
                "1.2.3",
                {one_of_each, exponential, [this] { return real_ns_; }, points_per_request}};
    }
    json::array take(MetricEncoder& encoder) {
        const auto request = read_otlp("MetricsRequest", GetParam() == OtlpFormat::json, encoder.take());
        return request.at("resourceMetrics").as_array();
    }
    std::uint64_t real_ns_ = 1'700'000'000'000'000'000;
};

json::object metric_called(const json::array& resources, std::string_view name) {
    for (const auto& resource : resources)
        for (const auto& metric : resource.at("scopeMetrics").at(0).at("metrics").as_array())
            if (metric.at("name").as_string() == name) return metric.as_object();
    ADD_FAILURE() << "no metric " << name;
    return {};
}

// The only point, without its attributes, which come apart.
json::object point_of(const json::object& metric, const char* kind, Attributes& attributes) {
    const auto& points = metric.at(kind).at("dataPoints").as_array();
    EXPECT_EQ(points.size(), 1);
    auto point = points.at(0).as_object();
    attributes = otlp_attributes(point.at("attributes"));
    point.erase("attributes");
    return point;
}

constexpr const char* start = "1700000000000000000";
constexpr const char* later = "1700000010000000000";

TEST_P(OtlpMetricEncoderTest, EachKindHasItsForm) {
    auto encoder = make();
    real_ns_ += 10'000'000'000;
    EXPECT_EQ(encoder.tick(1), 6);
    EXPECT_GT(encoder.bytes(), 300);
    const auto resources = take(encoder);
    Attributes attributes;

    const auto counter = metric_called(resources, "sonde_seen_total");
    EXPECT_EQ(counter.at("description"), "Help of sonde_seen_total.");
    EXPECT_EQ(counter.at("sum").at("aggregationTemporality"), 2);
    EXPECT_EQ(counter.at("sum").at("isMonotonic"), true);
    const auto total = point_of(counter, "sum", attributes);
    EXPECT_EQ(total.at("startTimeUnixNano"), start);
    EXPECT_EQ(total.at("timeUnixNano"), later);
    EXPECT_EQ(total.at("asDouble").to_number<double>(), 42);
    EXPECT_EQ(attributes, (Attributes{{"side", "s:server"}}));

    const auto cpu = metric_called(resources, "process_cpu_seconds_total");
    EXPECT_EQ(cpu.at("unit"), "s");
    EXPECT_EQ(json::value(point_of(cpu, "sum", attributes)), (json::value{{"timeUnixNano", later}, {"asDouble", 1.5}}));
    EXPECT_EQ(attributes, Attributes{});

    const auto gauge = metric_called(resources, "system_memory_bytes");
    EXPECT_EQ(gauge.at("unit"), "By");
    const auto value = point_of(gauge, "gauge", attributes).at("asDouble");
    EXPECT_TRUE(GetParam() == OtlpFormat::json ? value == "Infinity" : std::isinf(value.as_double()));

    const auto summary = point_of(metric_called(resources, "sonde_wait_seconds"), "summary", attributes);
    EXPECT_EQ(summary.at("count"), "7");
    EXPECT_EQ(summary.at("sum"), 3.5);
    EXPECT_EQ(summary.at("quantileValues").as_array().size(), 2);
    EXPECT_EQ(summary.at("quantileValues").at(0).at("quantile"), 0.5);
    EXPECT_EQ(summary.at("quantileValues").at(0).at("value"), 0.25);

    const auto sizes = metric_called(resources, "http.server.request.body.size");
    EXPECT_EQ(sizes.at("unit"), "By");
    EXPECT_EQ(sizes.at("histogram").at("aggregationTemporality"), 2);
    const auto size = point_of(sizes, "histogram", attributes);
    EXPECT_EQ(size.at("count"), "5");
    EXPECT_EQ(size.at("sum"), 2.25);
    EXPECT_EQ(size.at("bucketCounts"), (json::array{"2", "2", "1"}));
    EXPECT_EQ(size.at("explicitBounds").as_array().size(), 2);
    EXPECT_EQ(size.at("explicitBounds").at(1).to_number<double>(), 1000);
    EXPECT_EQ(attributes, (Attributes{{"http.request.method", "s:GET"},
                                      {"http.response.status_code", "i:200"},
                                      {"server.port", "i:8080"}}));
}

TEST_P(OtlpMetricEncoderTest, DurationsAreExponentialHistograms) {
    auto encoder = make();
    EXPECT_EQ(encoder.tick(1), 6);
    const auto resources = take(encoder);
    const auto metric = metric_called(resources, "http.server.request.duration");
    EXPECT_EQ(metric.at("unit"), "s");
    EXPECT_FALSE(metric.contains("histogram"));
    EXPECT_EQ(metric.at("exponentialHistogram").at("aggregationTemporality"), 2);
    Attributes attributes;
    const auto point = point_of(metric, "exponentialHistogram", attributes);
    EXPECT_EQ(attributes, (Attributes{{"http.route", "s:/a"}}));
    EXPECT_EQ(json::value(point),
              (json::value{{"startTimeUnixNano", start},
                           {"timeUnixNano", start},
                           {"count", "303"},
                           {"sum", 12.25},
                           {"scale", 3},
                           {"zeroCount", "2"},
                           {"positive", {{"offset", -5}, {"bucketCounts", json::array{"1", "0", "300"}}}},
                           {"zeroThreshold", 0.5}}));
}

TEST_P(OtlpMetricEncoderTest, ServicesAndPodsAreResources) {
    auto encoder = make();
    encoder.tick(1);
    std::set<Attributes> resources;
    for (const auto& resource : take(encoder)) {
        auto attributes = otlp_attributes(resource.at("resource").at("attributes"));
        EXPECT_EQ(attributes.at("host.name"), "s:n1");
        for (const auto* same : {"host.name", "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"})
            attributes.erase(same);
        EXPECT_TRUE(resources.insert(attributes).second);
    }
    EXPECT_EQ(resources, (std::set<Attributes>{{{"service.name", "s:sonde"}},
                                               {{"service.name", "s:shop"}},
                                               {{"service.name", "s:shop"}, {"k8s.pod.name", "s:shop-1"}}}));
}

TEST_P(OtlpMetricEncoderTest, ASnapshotIsSentInParts) {
    auto encoder = make(4);
    EXPECT_EQ(encoder.tick(1), 4);
    const auto first = take(encoder);
    real_ns_ += 1;
    EXPECT_EQ(encoder.tick(2), 2);
    const auto second = take(encoder);
    std::multiset<std::string> names;
    for (const auto* part : {&first, &second})
        for (const auto& resource : *part)
            for (const auto& metric : resource.at("scopeMetrics").at(0).at("metrics").as_array())
                names.emplace(metric.at("name").as_string());
    EXPECT_EQ(names.size(), 6);
    Attributes attributes;
    EXPECT_EQ(encoder.tick(1000), 0);  // not yet
    EXPECT_EQ(encoder.tick(1001), 4);
}

INSTANTIATE_TEST_SUITE_P(Formats, OtlpMetricEncoderTest, testing::Values(OtlpFormat::protobuf, OtlpFormat::json),
                         [](const auto& format) { return format.param == OtlpFormat::json ? "json" : "protobuf"; });

}  // namespace
}  // namespace sonde
