#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "sinks/delivery/batch_encoder.hpp"

namespace sonde {

enum class StatsdDialect : std::uint8_t {
    plain,      // service, route and class of the status in the name
    dogstatsd,  // in tags
};

struct StatsdOptions {
    std::string address = "127.0.0.1:8125";  // HOST:PORT, [V6]:PORT or unix:/PATH (datagrams)
    StatsdDialect dialect = StatsdDialect::plain;
    std::string prefix = "sonde";
    double sample_rate = 1;              // 0 (not) … 1: of the transactions; the lines carry it
    std::uint32_t max_packet_bytes = 0;  // 64 … 65,507; 0: 1432 over UDP (an Ethernet frame), 8192 over Unix sockets
};

// Lines for statsd (github.com/statsd/statsd, docs/metric_types.md; DogStatsD protocol 1.0): of each transaction a
// timer and counters of requests and bytes, with the rate it was sampled at, sonde's own sampling included.
//
//     sonde.http.server.shop.orders_id.2xx.duration:2.5|ms|@0.5                               plain
//     sonde.http.server.duration:2.5|ms|@0.5|#service:shop,method:GET,route:/orders/{id},status:200    dogstatsd
class StatsdEncoder final : public BatchEncoder {
public:
    StatsdEncoder(StatsdOptions options, std::uint64_t seed) : options_(std::move(options)), random_(seed) {}

    bool add(const Record& record) override;
    [[nodiscard]] std::size_t bytes() const override { return body_.size(); }
    std::string take() override { return std::exchange(body_, {}); }

private:
    void add_transaction(const Transaction& transaction);
    void add_losses(const LossRecord& loss);
    void make_name(const Transaction& transaction);
    void make_tail(const Transaction& transaction);
    void add_line(std::string_view metric, double value, std::string_view type);

    const StatsdOptions options_;
    std::mt19937_64 random_;
    std::string body_;
    std::string name_;  // reused: what comes before the metric's name
    std::string tail_;  // and behind its type
};

}  // namespace sonde
