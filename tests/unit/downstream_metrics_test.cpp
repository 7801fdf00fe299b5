#include "agent/metric/downstream_metrics.hpp"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

namespace sonde {
namespace {

Transaction request(std::string_view route, std::initializer_list<std::string_view> services) {
    Transaction t;
    t.service = "shop";
    t.route = route;
    t.server.port = 8080;
    auto calls = std::make_shared<DownstreamCalls>();
    calls->waited_ns = 1'500'000'000;
    for (const auto service : services) {
        auto& call = calls->calls[calls->count++];
        call = {};
        call.service = service;
        call.duration_ns = 1'000'000'000;
        call.peer = {.address = {10, 0, 0, 6}, .port = 81, .family = AF_INET};
    }
    t.downstream = std::move(calls);
    return t;
}

bool says(const DownstreamMetrics& metrics, const std::string& line) {
    return prometheus::TextSerializer{}.Serialize(metrics.Collect()).find(line + "\n") != std::string::npos;
}

const std::string labels = R"(http_route="/a",server_port="8080",service_name="shop")";

TEST(DownstreamMetrics, WhatWasWaitedForAndWhom) {
    DownstreamMetrics metrics;
    metrics.observe(request("/a", {"stock", "stock"}));
    metrics.observe(request("/a", {""}));
    EXPECT_TRUE(says(metrics, "sonde_http_server_downstream_seconds_total{" + labels + "} 3"));
    EXPECT_TRUE(says(metrics, "sonde_http_server_downstream_calls_total{" + labels + R"(,downstream="stock"} 2)"));
    EXPECT_TRUE(
        says(metrics, "sonde_http_server_downstream_call_seconds_total{" + labels + R"(,downstream="stock"} 2)"));
    EXPECT_TRUE(
        says(metrics, "sonde_http_server_downstream_calls_total{" + labels + R"(,downstream="10.0.0.6:81"} 1)"));
}

TEST(DownstreamMetrics, NothingWithoutCallsOrOnTheOtherSide) {
    DownstreamMetrics metrics;
    auto t = request("/a", {"stock"});
    t.side = Side::client;
    metrics.observe(t);
    metrics.observe(Transaction{});
    EXPECT_TRUE(metrics.Collect().empty());
}

TEST(DownstreamMetrics, ACallThatOutlivedItsRequestHasNoTime) {
    DownstreamMetrics metrics;
    auto t = request("/a", {"stock"});
    auto calls = std::make_shared<DownstreamCalls>(*t.downstream);
    calls->calls[0].duration_ns = -1;
    t.downstream = calls;
    metrics.observe(t);
    EXPECT_TRUE(
        says(metrics, "sonde_http_server_downstream_call_seconds_total{" + labels + R"(,downstream="stock"} 0)"));
}

TEST(DownstreamMetrics, NewLabelsOverTheBudgetShareOneSet) {
    DownstreamMetrics metrics(2);
    for (const auto* route : {"/a", "/b", "/c"}) metrics.observe(request(route, {"stock"}));
    EXPECT_TRUE(says(metrics, R"(sonde_http_server_downstream_seconds_total{http_route="{overflow}"} 3)"));
    EXPECT_TRUE(says(metrics,
                     R"(sonde_http_server_downstream_calls_total{http_route="{overflow}",downstream="{overflow}"} 2)"));
}

}  // namespace
}  // namespace sonde
