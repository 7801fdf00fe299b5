#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/metric/histogram.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// One endpoint over one interval.
struct EndpointRow {
    Side side = Side::server;
    std::string_view service;
    std::string method;
    std::string_view route;
    double rate_per_s = 0;
    double error_percent = 0;
    std::uint64_t p50_ns = 0, p95_ns = 0, p99_ns = 0;
    double queue_percent = -1;  // share of the queue in the time; -1: not observed
};

struct TableHeader {
    double uptime_s = 0;
    std::uint64_t transactions = 0;
    std::uint64_t lost = 0;
};

// The live table of `sonde run`. Pipeline thread.
class EndpointTable {
public:
    void observe(const Transaction& transaction);
    // Rows of the interval that ends now, servers first, busiest first.
    std::vector<EndpointRow> snapshot_and_reset(double interval_s);

    static std::string render(const std::vector<EndpointRow>& rows, const TableHeader& header, int columns, int lines,
                              bool colour);
    static std::vector<std::string> render_lines(const std::vector<EndpointRow>& rows);

private:
    struct Key {
        Side side;
        const char* service;
        const char* route;
        std::string method;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            return std::hash<const void*>{}(key.route) ^ (std::hash<const void*>{}(key.service) << 1) ^
                   std::hash<std::string>{}(key.method) ^ static_cast<std::size_t>(key.side);
        }
    };
    struct Endpoint {
        std::string_view service, route;
        std::uint64_t count = 0, errors = 0;
        std::uint64_t time_ns = 0, queue_ns = 0, queue_seen = 0;
        QuantileHistogram durations;
    };

    std::unordered_map<Key, std::unique_ptr<Endpoint>, KeyHash> endpoints_;
};

// "2.9 ms", "310 µs", "1.2 s"
std::string readable_duration(std::uint64_t duration_ns);

}  // namespace sonde
