#include "agent/metric/websocket_metrics.hpp"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

namespace sonde {
namespace {

Transaction connection(std::string_view route) {
    Transaction t;
    t.protocol = Protocol::websocket;
    t.service = "shop";
    t.route = route;
    t.server.port = 8080;
    t.duration_ns = 2'000'000;
    return t;
}

bool says(const WebSocketMetrics& metrics, const std::string& line) {
    return prometheus::TextSerializer{}.Serialize(metrics.Collect()).find(line + "\n") != std::string::npos;
}

const std::string labels = R"(side="server",http_route="/ws",server_port="8080",service_name="shop")";

TEST(WebSocketMetrics, CountsWhatIsOpenAndWhatEnded) {
    WebSocketMetrics metrics;
    auto first = connection("/ws"), second = connection("/ws");
    metrics.opened(first);
    metrics.opened(second);
    metrics.moved(first, false, 3, 30);
    metrics.moved(first, true, 1, 10);
    first.websocket.messages = {3, -1};
    first.websocket.close_code = 1001;
    first.websocket.has_closer = true;
    first.websocket.closed_by = Side::client;
    metrics.closed(first);
    EXPECT_TRUE(says(metrics, "sonde_websocket_connections{" + labels + "} 1"));
    EXPECT_TRUE(says(metrics, "sonde_websocket_opened_total{" + labels + "} 2"));
    EXPECT_TRUE(says(metrics, "sonde_websocket_closed_total{" + labels + R"(,code="1001",by="client"} 1)"));
    EXPECT_TRUE(says(metrics, "sonde_websocket_messages_total{" + labels + R"(,direction="received"} 3)"));
    EXPECT_TRUE(says(metrics, "sonde_websocket_bytes_total{" + labels + R"(,direction="sent"} 10)"));
    EXPECT_TRUE(says(metrics, "sonde_websocket_unobserved_total{" + labels + R"(,direction="sent"} 1)"));
    EXPECT_TRUE(says(metrics, "sonde_websocket_connection_duration_seconds_count{" + labels + "} 1"));
}

TEST(WebSocketMetrics, NewLabelsOverTheBudgetShareOneSet) {
    WebSocketMetrics metrics(2);
    for (const auto* route : {"/a", "/b", "/c", "/d"}) metrics.opened(connection(route));
    EXPECT_TRUE(says(metrics, R"(sonde_websocket_opened_total{side="server",http_route="{overflow}"} 2)"));
}

TEST(WebSocketMetrics, CloseCodesAreBounded) {
    EXPECT_EQ(websocket_code_label(0), "none");
    EXPECT_EQ(websocket_code_label(1000), "1000");
    EXPECT_EQ(websocket_code_label(1015), "1015");
    EXPECT_EQ(websocket_code_label(1016), "other");
    EXPECT_EQ(websocket_code_label(3999), "3xxx");
    EXPECT_EQ(websocket_code_label(4000), "4xxx");
    EXPECT_EQ(websocket_code_label(5000), "other");
}

}  // namespace
}  // namespace sonde
