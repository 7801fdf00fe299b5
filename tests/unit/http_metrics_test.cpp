#include "agent/metric/http_metrics.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>

#include "agent/metric/self_metrics.hpp"

namespace sonde {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

Transaction make(std::string_view method = "GET", std::string_view route = "/orders/{id}", std::uint16_t status = 200) {
    Transaction t;
    t.method = method;
    t.route = route;
    t.service = "shop";
    t.status = status;
    t.outcome = Outcome::ok;
    t.duration_ns = 3'000'000;
    t.request_body_bytes = 0;
    t.response_body_bytes = 1500;
    t.server.port = 8080;
    t.phase_ns = {21'000, 4'000, 900'000, 12'000, unobserved_ns, 80'000};
    return t;
}

const prometheus::MetricFamily* find(const Families& families, std::string_view name) {
    for (const auto& family : families)
        if (family.name == name) return &family;
    return nullptr;
}

std::string label(const prometheus::ClientMetric& metric, std::string_view name) {
    for (const auto& label : metric.label)
        if (label.name == name) return label.value;
    return "(none)";
}

double value_of(const Families& families, std::string_view name, std::string_view label_name, std::string_view value) {
    double sum = 0;
    for (const auto& metric : find(families, name)->metric)
        if (label(metric, label_name) == value) sum += metric.counter.value + metric.gauge.value;
    return sum;
}

std::uint64_t total_count(const Families& families, std::string_view name) {
    const auto* family = find(families, name);
    std::uint64_t sum = 0;
    if (family != nullptr)
        for (const auto& metric : family->metric) sum += metric.histogram.sample_count;
    return sum;
}

TEST(HttpMetrics, AWorkloadIsItsLabels) {
    HttpMetrics metrics;
    auto transaction = make();
    metrics.observe(transaction);
    const std::string workload = "k8s_namespace_name=store\x1fk8s_deployment_name=shop";
    transaction.workload = workload;
    metrics.observe(transaction);
    metrics.observe(transaction);
    const auto families = metrics.Collect();
    for (const char* name : {"http_server_request_duration_seconds", "sonde_http_server_phase_seconds"}) {
        std::uint64_t with = 0, without = 0;
        for (const auto& metric : find(families, name)->metric)
            (label(metric, "k8s_deployment_name") == "shop" && label(metric, "k8s_namespace_name") == "store"
                 ? with
                 : without) += metric.histogram.sample_count;
        EXPECT_EQ(with, 2 * without) << name;
        EXPECT_GT(without, 0U) << name;
    }
}

TEST(HttpMetrics, OneTransactionInEveryFamily) {
    HttpMetrics metrics;
    metrics.observe(make());
    const auto families = metrics.Collect();
    const auto* duration = find(families, "http_server_request_duration_seconds");
    ASSERT_NE(duration, nullptr);
    ASSERT_EQ(duration->metric.size(), 1u);
    const auto& metric = duration->metric[0];
    EXPECT_EQ(label(metric, "http_request_method"), "GET");
    EXPECT_EQ(label(metric, "http_route"), "/orders/{id}");
    EXPECT_EQ(label(metric, "http_response_status_code"), "200");
    EXPECT_EQ(label(metric, "server_port"), "8080");
    EXPECT_EQ(label(metric, "service_name"), "shop");
    EXPECT_DOUBLE_EQ(metric.histogram.sample_sum, 0.003);
    EXPECT_EQ(metric.histogram.bucket[4].cumulative_count, 0u);  // 2.5 ms
    EXPECT_EQ(metric.histogram.bucket[5].cumulative_count, 1u);  // 5 ms
    EXPECT_EQ(total_count(families, "http_server_request_body_size_bytes"), 1u);
    EXPECT_EQ(total_count(families, "http_server_response_body_size_bytes"), 1u);
    EXPECT_EQ(find(families, "http_client_request_duration_seconds"), nullptr);

    const auto* phases = find(families, "sonde_http_server_phase_seconds");
    ASSERT_NE(phases, nullptr);
    std::set<std::string> names;
    for (const auto& phase : phases->metric) names.insert(label(phase, "phase"));
    EXPECT_EQ(names, (std::set<std::string>{"queue", "upload", "cpu", "runqueue", "transfer"}))
        << "blocked was not observed";
}

TEST(HttpMetrics, ExponentialHistogramsCountTheSame) {
    EXPECT_TRUE(HttpMetrics(10).exponential().empty());
    HttpMetrics metrics(1, true);
    for (const auto* route : {"/a", "/a", "/b"}) metrics.observe(make("GET", route));  // the last: over the limit
    const auto families = metrics.exponential();
    ASSERT_EQ(families.size(), 2);
    EXPECT_EQ(families[0].name, "http_server_request_duration_seconds");
    ASSERT_EQ(families[0].series.size(), 2);
    const auto shown = metrics.Collect();
    const auto* same = find(shown, families[0].name);
    ASSERT_NE(same, nullptr);
    EXPECT_EQ(same->help, families[0].help);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& histogram = families[0].series[i].histogram;
        EXPECT_EQ(histogram.count, same->metric[i].histogram.sample_count);
        EXPECT_DOUBLE_EQ(histogram.sum, same->metric[i].histogram.sample_sum);
        ASSERT_EQ(families[0].series[i].labels.size(), same->metric[i].label.size());
        EXPECT_EQ(families[0].series[i].labels.front().second, same->metric[i].label.front().value);
    }
}

TEST(HttpMetrics, UnobservedIsLeftOut) {
    HttpMetrics metrics;
    auto t = make("", "/x", 0);
    t.service = {};
    t.request_body_bytes = t.response_body_bytes = -1;
    t.outcome = Outcome::unobserved;
    metrics.observe(t);
    const auto families = metrics.Collect();
    const auto& metric = find(families, "http_server_request_duration_seconds")->metric.at(0);
    EXPECT_EQ(label(metric, "http_response_status_code"), "(none)");
    EXPECT_EQ(label(metric, "service_name"), "(none)");
    EXPECT_EQ(label(metric, "http_request_method"), "_OTHER");
    EXPECT_EQ(find(families, "http_server_request_body_size_bytes"), nullptr);
    EXPECT_EQ(value_of(families, "sonde_transactions_total", "outcome", "unobserved"), 1);
}

TEST(HttpMetrics, InventedMethodsShareOneSeries) {
    HttpMetrics metrics;
    for (int i = 0; i < 100; ++i) metrics.observe(make("M" + std::to_string(i)));
    EXPECT_EQ(find(metrics.Collect(), "http_server_request_duration_seconds")->metric.size(), 1u);
}

TEST(HttpMetrics, ClientSideHasNoPhases) {
    HttpMetrics metrics;
    auto t = make();
    t.side = Side::client;
    metrics.observe(t);
    const auto families = metrics.Collect();
    EXPECT_EQ(total_count(families, "http_client_request_duration_seconds"), 1u);
    EXPECT_EQ(find(families, "http_server_request_duration_seconds"), nullptr);
    EXPECT_EQ(find(families, "sonde_http_server_phase_seconds"), nullptr);
}

TEST(HttpMetrics, PhasesAreSharedByMethodsAndStatuses) {
    HttpMetrics metrics;
    metrics.observe(make("GET", "/a", 200));
    metrics.observe(make("GET", "/a", 500));
    metrics.observe(make("POST", "/a", 200));
    const auto families = metrics.Collect();
    EXPECT_EQ(find(families, "http_server_request_duration_seconds")->metric.size(), 3u);
    EXPECT_EQ(find(families, "sonde_http_server_phase_seconds")->metric.size(), 5u);
}

TEST(HttpMetrics, BudgetKeepsTotals) {
    HttpMetrics metrics(10);
    for (int i = 0; i < 100; ++i) {
        const auto route = "/r" + std::to_string(i);
        metrics.observe(make("GET", route));
        auto t = make("GET", route);
        t.side = Side::client;
        metrics.observe(t);
    }
    const auto families = metrics.Collect();
    EXPECT_EQ(total_count(families, "http_server_request_duration_seconds"), 100u);
    EXPECT_EQ(total_count(families, "http_client_request_duration_seconds"), 100u);
    EXPECT_EQ(find(families, "http_server_request_duration_seconds")->metric.size(), 6u);
    EXPECT_EQ(value_of(families, "sonde_http_overflow_total", "side", "server"), 95);
    EXPECT_EQ(value_of(families, "sonde_http_overflow_total", "side", "client"), 95);
    EXPECT_EQ(value_of(families, "sonde_transactions_total", "side", "server"), 100);
    EXPECT_EQ(total_count(families, "sonde_http_server_phase_seconds"), 500u);
    EXPECT_EQ(label(find(families, "http_server_request_duration_seconds")->metric.back(), "http_route"), "{overflow}");
}

TEST(HttpMetrics, HostileNamesAreCleanedAndNotDoubled) {
    HttpMetrics metrics;
    for (const std::string_view service : {"a\xff", "a\xfe", "a_", "gr\xc3\xbc\xc3\x9f", "a\n"}) {
        auto t = make();
        t.service = service;
        metrics.observe(t);
        metrics.observe(t);
    }
    const auto families = metrics.Collect();
    const auto* duration = find(families, "http_server_request_duration_seconds");
    ASSERT_EQ(duration->metric.size(), 2u);
    EXPECT_EQ(label(duration->metric[0], "service_name"), "a_");
    EXPECT_EQ(label(duration->metric[1], "service_name"), "gr\xc3\xbc\xc3\x9f");
}

TEST(HttpMetrics, ScrapeWhileThePipelineRuns) {
    HttpMetrics metrics(500);
    std::atomic<bool> finished{false};
    constexpr int rounds = 20, routes = 800;
    std::thread pipeline([&] {
        std::vector<std::string> names;
        for (int i = 0; i < routes; ++i) names.push_back("/r" + std::to_string(i));
        for (int round = 0; round < rounds; ++round)
            for (const auto& name : names) metrics.observe(make("GET", name));
        finished = true;
    });
    std::uint64_t last = 0;
    while (!finished) {
        const auto families = metrics.Collect();
        const auto count = total_count(families, "http_server_request_duration_seconds");
        EXPECT_GE(count, last);
        last = count;
        const auto* family = find(families, "http_server_request_duration_seconds");
        if (family == nullptr) continue;
        for (const auto& metric : family->metric) {
            EXPECT_GE(metric.histogram.sample_count, metric.histogram.bucket.back().cumulative_count);
        }
    }
    pipeline.join();
    EXPECT_EQ(total_count(metrics.Collect(), "http_server_request_duration_seconds"), std::uint64_t{rounds * routes});
}

TEST(SelfMetrics, LossMatrixFeaturesAndSamples) {
    SelfMetrics metrics({
        .version = "1.2.3",
        .losses =
            [] {
                LossMatrix matrix;
                auto& row = matrix.rows[SONDE_REC_REQUEST_HEAD];
                row.seen = 10;
                row.delivered = 7;
                row.lost[SONDE_LOSS_RING_FULL] = 3;
                return matrix;
            },
        .features =
            [] {
                return std::vector<FeatureState>{{"sk_storage", true}, {"uprobes", false}};
            },
        .samples =
            [] {
                return std::vector<Sample>{
                    {"sonde_queue_size", "Records waiting.", SampleType::gauge, {{"queue", "a"}}, 4},
                    {"sonde_x_total", "Things.", SampleType::counter, {}, 5},
                    {"sonde_queue_size", "Records waiting.", SampleType::gauge, {{"queue", "b"}}, 6}};
            },
    });
    const auto families = metrics.Collect();
    EXPECT_EQ(value_of(families, "sonde_records_seen_total", "record", "request_head"), 10);
    EXPECT_EQ(value_of(families, "sonde_records_delivered_total", "record", "request_head"), 7);
    EXPECT_EQ(value_of(families, "sonde_records_lost_total", "reason", "ring_full"), 3);
    EXPECT_EQ(value_of(families, "sonde_feature_enabled", "feature", "sk_storage"), 1);
    EXPECT_EQ(value_of(families, "sonde_feature_enabled", "feature", "uprobes"), 0);
    EXPECT_EQ(value_of(families, "sonde_build_info", "version", "1.2.3"), 1);
    EXPECT_EQ(find(families, "sonde_queue_size")->metric.size(), 2u);
    EXPECT_EQ(find(families, "sonde_x_total")->type, prometheus::MetricType::Counter);
    EXPECT_GT(find(families, "sonde_process_resident_memory_bytes")->metric[0].gauge.value, 1e5);
    EXPECT_GE(find(families, "sonde_process_open_fds")->metric[0].gauge.value, 3);
    EXPECT_NE(find(families, "sonde_process_cpu_seconds_total"), nullptr);
}

}  // namespace
}  // namespace sonde
