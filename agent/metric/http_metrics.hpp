#pragma once

#include <prometheus/collectable.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/metric/histogram.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

struct HttpMetricsLimits {
    std::size_t max_series = 10000;  // label sets of each histogram family, both sides together
};

// Every transaction as OpenTelemetry's HTTP metrics (semantic conventions 1.27, HTTP), never sampled.
// One thread observes; a scrape on another thread neither waits for it nor holds it up: series are only ever added,
// and the number of them is published after they are made.
class HttpMetrics final : public prometheus::Collectable {
public:
    explicit HttpMetrics(HttpMetricsLimits limits = {});

    // Pipeline thread. Route and service must be interned: the addresses are the key. No allocation for a known series.
    void observe(const Transaction& transaction);
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
    // Number of transactions that went to the overflow series. Any thread.
    [[nodiscard]] std::uint64_t overflows() const { return overflows_.load(std::memory_order_relaxed); }

private:
    struct RequestSeries {
        Side side;
        std::string method, route, service;
        std::uint16_t status, port;
        DurationHistogram duration;
        SizeHistogram request_body, response_body;
    };
    struct PhaseSeries {
        std::string route, service;
        std::uint16_t port;
        std::array<DurationHistogram, phase_count> phases;
    };
    // Append-only: the writer fills a slot, then publishes the count.
    template <typename Series>
    struct Table {
        explicit Table(std::size_t capacity) : slots(std::make_unique<std::unique_ptr<Series>[]>(capacity)) {}
        Series& add(std::unique_ptr<Series> series) {
            const auto at = count.load(std::memory_order_relaxed);
            slots[at] = std::move(series);
            count.store(at + 1, std::memory_order_release);
            return *slots[at];
        }
        std::unique_ptr<std::unique_ptr<Series>[]> slots;
        std::atomic<std::size_t> count{0};
    };
    struct Key {
        const char* route;
        const char* service;
        std::uint16_t status, port;
        std::uint8_t method;
        Side side;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };

    RequestSeries& request_series(const Transaction& transaction);
    PhaseSeries& phase_series(const Transaction& transaction);

    const HttpMetricsLimits limits_;
    Table<RequestSeries> requests_;
    Table<PhaseSeries> phases_;
    std::unordered_map<Key, RequestSeries*, KeyHash> request_index_;  // pipeline thread only
    std::unordered_map<Key, PhaseSeries*, KeyHash> phase_index_;
    std::array<RequestSeries*, 2> request_overflow_{};
    PhaseSeries* phase_overflow_ = nullptr;
    std::array<std::array<std::atomic<std::uint64_t>, 4>, 2> outcomes_{};
    std::atomic<std::uint64_t> overflows_{0};
};

}  // namespace sonde
