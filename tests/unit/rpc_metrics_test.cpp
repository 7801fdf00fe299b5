#include "agent/metric/rpc_metrics.hpp"

#include <gtest/gtest.h>

#include <map>

#include "agent/route/rpc_name.hpp"

namespace sonde {
namespace {

Transaction call(std::string_view route, std::int16_t status, Side side = Side::server) {
    Transaction t;
    t.grpc = true;
    t.grpc_status = status;
    t.route = route;
    t.service = "shop";
    t.server.port = 50051;
    t.side = side;
    t.duration_ns = 2'000'000;
    return t;
}

const prometheus::MetricFamily* find(const std::vector<prometheus::MetricFamily>& families, std::string_view name) {
    for (const auto& family : families)
        if (family.name == name) return &family;
    return nullptr;
}

std::map<std::string, std::string> labels(const prometheus::ClientMetric& metric) {
    std::map<std::string, std::string> out;
    for (const auto& label : metric.label) out[label.name] = label.value;
    return out;
}

TEST(RpcName, ServiceAndMethod) {
    const auto name = split_rpc_route("/shop.Cart/Add");
    EXPECT_EQ(name.service, "shop.Cart");
    EXPECT_EQ(name.method, "Add");
    EXPECT_EQ(split_rpc_route("/nested/shop.Cart/Add").service, "nested/shop.Cart");
    for (const auto* path : {"", "/", "/Add", "shop.Cart/Add", "/shop.Cart/", "{overflow}"})
        EXPECT_TRUE(split_rpc_route(path).method.empty()) << path;
}

TEST(RpcMetrics, LabelsOfOneCall) {
    RpcMetrics metrics;
    metrics.observe(call("/shop.Cart/Add", 0));
    metrics.observe(Transaction{});  // not gRPC
    const auto families = metrics.Collect();
    const auto* family = find(families, "rpc_server_duration_seconds");
    ASSERT_NE(family, nullptr);
    ASSERT_EQ(family->metric.size(), 1u);
    EXPECT_EQ(labels(family->metric[0]), (std::map<std::string, std::string>{{"rpc_system", "grpc"},
                                                                             {"rpc_service", "shop.Cart"},
                                                                             {"rpc_method", "Add"},
                                                                             {"rpc_grpc_status_code", "0"},
                                                                             {"server_port", "50051"},
                                                                             {"service_name", "shop"}}));
    EXPECT_DOUBLE_EQ(family->metric[0].histogram.sample_sum, 0.002);
    EXPECT_EQ(find(families, "rpc_client_duration_seconds"), nullptr);
}

TEST(RpcMetrics, UnobservedStatusHasNoLabel) {
    RpcMetrics metrics;
    metrics.observe(call("/shop.Cart/Add", -1, Side::client));
    const auto families = metrics.Collect();
    EXPECT_EQ(labels(find(families, "rpc_client_duration_seconds")->metric.at(0)).count("rpc_grpc_status_code"), 0u);
}

TEST(RpcMetrics, BudgetKeepsTotals) {
    RpcMetrics metrics(3);
    std::vector<std::string> routes;
    for (int i = 0; i < 10; ++i) routes.push_back("/s/m" + std::to_string(i));
    for (const auto& route : routes) metrics.observe(call(route, 0));
    const auto families = metrics.Collect();
    std::uint64_t total = 0;
    for (const auto& metric : find(families, "rpc_server_duration_seconds")->metric)
        total += metric.histogram.sample_count;
    EXPECT_EQ(total, 10u);
    EXPECT_EQ(find(families, "rpc_server_duration_seconds")->metric.size(), 4u);
    EXPECT_EQ(find(families, "sonde_rpc_overflow_total")->metric.at(0).counter.value, 7);
}

TEST(RpcMetrics, BytesThatNoLabelMayHold) {
    RpcMetrics metrics;
    metrics.observe(call("/s\xff/m", 0));
    metrics.observe(call("/s\xfe/m", 0));
    const auto families = metrics.Collect();
    const auto* family = find(families, "rpc_server_duration_seconds");
    ASSERT_EQ(family->metric.size(), 1u) << "two label sets that read the same would spoil the scrape";
    EXPECT_EQ(labels(family->metric[0])["rpc_service"], "s_");
}

}  // namespace
}  // namespace sonde
