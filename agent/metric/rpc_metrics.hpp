#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/metric/append_only_table.hpp"
#include "agent/metric/histogram.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// gRPC calls as OpenTelemetry's RPC metrics, never sampled:
//
//   rpc_{server,client}_duration_seconds{rpc_system, rpc_service, rpc_method, rpc_grpc_status_code, server_port,
//                                        service_name}
//   sonde_rpc_overflow_total{side}
//
// A status that was not observed has no label. Over max_label_sets, calls with new labels go to one overflow set per
// side, which has neither service nor method: totals stay whole, memory stays bounded.
//
// observe() belongs to one thread; Collect() to any, and never makes it wait.
class RpcMetrics : public prometheus::Collectable {
public:
    static constexpr std::size_t default_max_label_sets = 2'000;

    explicit RpcMetrics(std::size_t max_label_sets = default_max_label_sets);
    RpcMetrics(const RpcMetrics&) = delete;
    RpcMetrics& operator=(const RpcMetrics&) = delete;

    // Of a gRPC call; anything else is left out. No allocation when a call with these labels was seen before.
    void observe(const Transaction& transaction);
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

private:
    struct Key {
        std::string_view service, path;
        std::uint16_t port = 0;
        std::int16_t status = -1;
        Side side = Side::server;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    struct Series {
        std::string service, path;
        Key key;  // its views point at the two above
        DurationHistogram duration;
    };

    static std::unique_ptr<Series> make_series(const Key& key);
    Series& series_for(const Key& key);

    std::unordered_map<Key, Series*, KeyHash> index_;
    AppendOnlyTable<Series> series_;
    std::array<std::unique_ptr<Series>, 2> overflow_;  // by side, shown once used
    std::array<std::atomic<std::uint64_t>, 2> overflowed_{};
};

}  // namespace sonde
