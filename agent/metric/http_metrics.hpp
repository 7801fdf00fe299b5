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
#include <vector>

#include "agent/metric/append_only_table.hpp"
#include "agent/metric/exemplar_table.hpp"
#include "agent/metric/exponential_histogram.hpp"
#include "agent/metric/family_names.hpp"
#include "agent/metric/histogram.hpp"
#include "agent/metric/open_metrics.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// Every transaction as OpenTelemetry's HTTP metrics, never sampled (docs: DESIGN section 4):
//
//   http_{server,client}_request_duration_seconds, http_{server,client}_{request,response}_body_size_bytes
//       {http_request_method, http_route, http_response_status_code, server_port, service_name}
//   sonde_http_server_phase_seconds{phase, http_route, server_port, service_name}
//   sonde_http_server_{cpu,runqueue,blocked}_seconds_total{http_route, server_port, service_name}
//       of the requests in which that phase was observed: their number is the phase histogram's count
//   and on all of these, in a cluster: k8s_namespace_name, k8s_{deployment,…}_name, k8s_container_name, k8s_pod_name
//   sonde_transactions_total{side, outcome}
//   sonde_http_label_sets, sonde_http_overflow_total{side}
//
// Durations have exemplars with trace ids, in OpenMetrics only. A label whose value was not observed is left out. A
// body size that was not observed is not in its histogram. Over max_label_sets, transactions with new labels go to one
// overflow set per side (http_route="{overflow}"): totals stay whole, memory stays bounded (about 1.2 KiB a set at
// most).
//
// observe() belongs to one thread; Collect() to any, and never makes it wait.
class HttpMetrics : public prometheus::Collectable, public FamilyNames {
public:
    static constexpr std::size_t default_max_label_sets = 10'000;

    // exponential: durations are kept in exponential histograms, too, for who asks for them (OTLP); 2 KiB a set more.
    explicit HttpMetrics(std::size_t max_label_sets = default_max_label_sets, bool exponential = false);
    HttpMetrics(const HttpMetrics&) = delete;
    HttpMetrics& operator=(const HttpMetrics&) = delete;

    // No allocation when a transaction with these labels was seen before.
    void observe(const Transaction& transaction);
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
    [[nodiscard]] std::vector<std::string_view> family_prefixes() const override {
        return {"http_", "sonde_http_", "sonde_transactions_"};
    }
    // Of request durations: the last request with a trace id in each bucket. Any thread.
    [[nodiscard]] ExemplarsBySeries exemplars() const;
    // Request durations; empty where they are not kept so. Any thread.
    [[nodiscard]] std::vector<ExponentialFamily> exponential() const;

private:
    // Phases do not depend on method and status: several Series share one.
    struct PhaseSeries {
        std::string service, route, workload;
        std::uint16_t port = 0;
        std::array<DurationHistogram, phase_count> phases;
    };
    struct Key {
        std::string_view service, route, workload;
        std::uint16_t port = 0;
        std::uint16_t status = 0;
        std::uint8_t method = 0;
        Side side = Side::server;
        bool operator==(const Key&) const = default;
        [[nodiscard]] std::size_t hash() const;
    };
    struct Series {
        std::string service, route, workload;
        Key key;                        // its views point at those above
        PhaseSeries* phases = nullptr;  // server side only
        DurationHistogram duration;
        SizeHistogram request_body, response_body;
        std::unique_ptr<ExponentialHistogram> exponential;  // of the same durations; null: not kept
    };
    struct Slot {
        std::uint32_t tag = 0;
        Series* series = nullptr;  // null: free
    };

    [[nodiscard]] std::unique_ptr<Series> make_series(const Key& key) const;
    Slot& find_slot(const Key& key, std::size_t hash);
    Series& series_for(const Key& key);
    Series& create(const Key& key, std::size_t hash);
    Series& overflow(Side side);
    PhaseSeries& phases_for(const Key& key);

    template <typename Visit>
    void for_each_series(Side side, Visit visit) const;
    template <typename Member>
    void add_family(std::vector<prometheus::MetricFamily>& out, Side side, const char* what, const char* help,
                    Member member) const;
    [[nodiscard]] std::vector<prometheus::ClientMetric::Label> labels_of(const Series& series) const;
    void add_phases(std::vector<prometheus::MetricFamily>& out) const;
    void add_costs(std::vector<prometheus::MetricFamily>& out) const;
    void add_counters(std::vector<prometheus::MetricFamily>& out) const;

    const bool has_exponential_;
    std::vector<Slot> index_;  // open addressing, at most half full, never resized
    AppendOnlyTable<Series> series_;
    AppendOnlyTable<PhaseSeries> phases_;
    ExemplarTable exemplars_;                          // of Series::duration
    std::array<std::unique_ptr<Series>, 2> overflow_;  // by side, shown once used
    PhaseSeries overflow_phases_;
    std::array<std::atomic<std::uint64_t>, 2> overflowed_{};
    std::array<std::array<std::atomic<std::uint64_t>, 4>, 2> outcomes_{};
};

}  // namespace sonde
