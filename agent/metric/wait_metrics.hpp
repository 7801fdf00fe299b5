#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/metric/append_only_table.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// sonde_http_server_blocked_in_seconds_total{cause, http_route, server_port, service_name}: what the blocked time of
// requests was spent in, estimated from samples (docs/waits.md).
//
// Over max_label_sets, new labels go to one overflow set ({overflow}): totals stay whole, memory stays bounded.
// observe() belongs to one thread; Collect() to any, and never makes it wait.
class WaitMetrics final : public prometheus::Collectable {
public:
    static constexpr std::size_t default_max_label_sets = 1'000;

    explicit WaitMetrics(std::size_t max_label_sets = default_max_label_sets);

    // Of a server's transaction with samples; anything else is left out. No allocation for labels that were seen
    // before.
    void observe(const Transaction& transaction);
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

private:
    struct Key {
        std::string_view service, route;  // interned
        std::uint16_t port = 0;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    struct Series {
        Key key;
        std::array<std::atomic<double>, wait_cause_count> seconds{};
    };

    Series& series_of(const Key& key);

    std::unordered_map<Key, Series*, KeyHash> index_;
    AppendOnlyTable<Series> series_;
    Series overflow_;
};

}  // namespace sonde
