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
#include "agent/metric/family_names.hpp"
#include "agent/model/downstream.hpp"

namespace sonde {

// What requests waited for, by {http_route, server_port, service_name}:
//
//   sonde_http_server_downstream_seconds_total                    time with at least one call under way: the part of
//                                                                 their blocked time that calls explain
//   sonde_http_server_downstream_calls_total{downstream}          calls linked to them (docs/parent_links.md)
//   sonde_http_server_downstream_call_seconds_total{downstream}   their durations, those at once counted each
//
// downstream: the service that answered, where it is on this machine, else address and port. Over max_label_sets, new
// labels go to one overflow set ({overflow}): totals stay whole, memory stays bounded.
// observe() belongs to one thread; Collect() to any, and never makes it wait.
class DownstreamMetrics final : public prometheus::Collectable, public FamilyNames {
public:
    static constexpr std::size_t default_max_label_sets = 2'000;

    explicit DownstreamMetrics(std::size_t max_label_sets = default_max_label_sets);

    // Of a server's transaction with calls; anything else is left out. No allocation for labels that were seen before.
    void observe(const Transaction& transaction);
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
    [[nodiscard]] std::vector<std::string_view> family_prefixes() const override {
        return {"sonde_http_server_downstream_"};
    }

private:
    // A callee without a service is told by its endpoint; neither: the requests' own series.
    struct Key {
        std::string_view service, route, callee;  // interned
        std::array<std::uint8_t, 16> address{};
        std::uint16_t callee_port = 0;
        std::uint8_t callee_family = 0;
        std::uint16_t port = 0;
        bool is_call = false;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    struct Series {
        Key key;
        std::atomic<std::uint64_t> count{0};
        std::atomic<std::uint64_t> ns{0};
        void add(std::uint64_t duration_ns);
    };

    Series& series_of(const Key& key);

    std::unordered_map<Key, Series*, KeyHash> index_;
    AppendOnlyTable<Series> series_;
    std::array<Series, 2> overflow_;  // of requests, of calls; shown once used
};

}  // namespace sonde
