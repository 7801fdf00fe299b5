#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/metric/histogram.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// WebSocket connections, by {side, http_route, server_port, service_name}:
//
//   sonde_websocket_connections                          now open
//   sonde_websocket_opened_total
//   sonde_websocket_closed_total{code, by}               by: client, server, or empty where nobody was seen to close
//   sonde_websocket_messages_total{direction}            direction: received, sent, as seen from that side
//   sonde_websocket_bytes_total{direction}               payload of messages, as sent
//   sonde_websocket_connection_duration_seconds          from the upgrade's first byte to the end of the socket
//   sonde_websocket_unobserved_total{direction}          ended without whole counts
//
// Over max_label_sets, connections with new labels go to one overflow set per side (http_route="{overflow}").
// Events belong to the pipeline thread, Collect() to any; they share a lock, which is taken once or twice per
// connection and second.
class WebSocketMetrics final : public prometheus::Collectable {
public:
    static constexpr std::size_t default_max_label_sets = 1000;

    explicit WebSocketMetrics(std::size_t max_label_sets = default_max_label_sets) : max_label_sets_(max_label_sets) {}

    // The same transaction's labels are given to all three.
    void opened(const Transaction& upgrade);
    void moved(const Transaction& upgrade, bool outgoing, std::uint64_t messages, std::uint64_t bytes);
    void closed(const Transaction& connection);
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

private:
    struct Key {
        std::string service, route;
        std::uint16_t port = 0;
        Side side = Side::server;
        auto operator<=>(const Key&) const = default;
    };
    struct Series {
        std::uint64_t opened = 0;
        std::uint64_t closed = 0;
        std::array<std::uint64_t, 2> messages{}, bytes{}, unobserved{};                    // received, sent
        std::map<std::pair<std::string_view, std::string_view>, std::uint64_t> closed_by;  // code and who: bounded
        DurationHistogram duration;
    };

    Series& series_of(const Transaction& transaction);

    const std::size_t max_label_sets_;
    mutable std::mutex mutex_;
    std::map<Key, Series> series_;
};

// The Close codes that are told apart in labels: 1000 … 1015 as they are, "3xxx" and "4xxx", "none" (0), "other".
[[nodiscard]] std::string_view websocket_code_label(std::uint16_t code);

}  // namespace sonde
