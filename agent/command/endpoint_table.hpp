#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/inline_string.hpp"
#include "agent/command/terminal_text.hpp"
#include "agent/metric/histogram.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// One endpoint over one interval. The views live as long as the agent (see Transaction).
struct EndpointRow {
    Side side = Side::server;
    std::string_view service;
    std::string method;
    std::string_view route;
    double rate_per_s = 0;
    double error_percent = 0;  // of all transactions, those with Outcome::error
    std::uint64_t p50_ns = 0, p95_ns = 0, p99_ns = 0;
    double queue_percent = -1;  // share of the queue in the time; -1: not observed
};

struct TableHeader {
    double uptime_s = 0;
    std::uint64_t transactions = 0;
    std::uint64_t lost = 0;
    std::string console{};  // its address; empty: not shown
};

// The live table of `sonde run`. Pipeline thread. No allocation but for an endpoint's first transaction.
class EndpointTable {
public:
    // Endpoints beyond the bound share one row. Endpoints that rest make room for new ones.
    explicit EndpointTable(std::size_t max_endpoints = 2000) : max_endpoints_(max_endpoints) {}

    void observe(const Transaction& transaction);
    // Rows of the interval that ends now, servers first, busiest first.
    std::vector<EndpointRow> snapshot_and_reset(double interval_s);

    // A picture that fits a terminal of at least 64 columns.
    static std::string render(const std::vector<EndpointRow>& rows, const TableHeader& header, int columns, int lines,
                              bool colour);
    // For a file or a pipe: nothing is cut, no colours; empty when there are no rows.
    static std::vector<std::string> render_lines(const std::vector<EndpointRow>& rows);

private:
    struct Key {
        Side side = Side::server;
        std::string_view service;
        std::string_view route;
        InlineString<16> method;
        bool operator==(const Key& other) const {
            return side == other.side && service == other.service && route == other.route &&
                   method.view() == other.method.view();
        }
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    struct Endpoint {
        std::uint64_t count = 0, errors = 0;
        std::uint64_t time_ns = 0, queue_ns = 0;  // of the transactions whose queue was observed
        bool queue_seen = false;
        QuantileHistogram durations;
    };
    Endpoint& endpoint_of(const Transaction& transaction);
    static EndpointRow take(const Key& key, Endpoint& endpoint, double interval_s);

    const std::size_t max_endpoints_;
    std::unordered_map<Key, std::unique_ptr<Endpoint>, KeyHash> endpoints_;
    Endpoint rest_;
};

}  // namespace sonde
