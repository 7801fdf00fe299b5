#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/model/loss.hpp"
#include "sinks/delivery.hpp"

namespace sonde {

enum class HealthState : std::uint8_t { ok, degraded, failed };
constexpr std::string_view to_string(HealthState state) {
    return state == HealthState::ok ? "ok" : state == HealthState::degraded ? "degraded" : "failed";
}

struct ComponentHealth {
    std::string name;  // "pipeline", "ring", "queue/file", "sink/file", …
    HealthState state = HealthState::ok;
    std::string reason;  // what was seen; what to do where it is not ok
};

struct HealthReport {
    HealthState state = HealthState::ok;
    std::vector<ComponentHealth> components;
};

struct HealthThresholds {
    double queue_degraded = 0.9;      // share of a queue that is in use
    double sink_success_rate = 0.95;  // of the records of the last rate_span_s
    std::uint64_t rate_span_s = 300;
    std::uint64_t stall_failed_s = 10;   // the pipeline has not come by for so long: it hangs
    std::uint64_t loss_degraded_s = 60;  // after a loss, so long
    double healthy_sinks = 0.5;          // the system is failed when fewer of its sinks are able
};

struct MemoryUse {
    std::uint64_t resident_bytes = 0;  // 0: not known
    std::uint64_t max_bytes = 0;       // 0: no ceiling
};

// Remembers the counters of the last minutes, so that a state speaks of now and not of the agent's whole life.
// sample() belongs to one thread (the pipeline's, about once a second); report() to any.
class HealthMonitor {
public:
    explicit HealthMonitor(const HealthThresholds& thresholds = {}) : thresholds_(thresholds) {}

    // now_s: CLOCK_MONOTONIC, rising.
    void sample(std::uint64_t now_s, std::uint64_t records_lost, const std::vector<const Delivery*>& deliveries,
                MemoryUse memory = {});
    [[nodiscard]] HealthReport report(std::uint64_t now_s) const;
    // Which stage hangs and since when; empty: none. Only a restart helps, so this is what /healthz asks. Any thread.
    [[nodiscard]] std::string stall(std::uint64_t now_s) const;
    [[nodiscard]] const HealthThresholds& thresholds() const { return thresholds_; }

private:
    struct Outcome {
        std::uint64_t at_s = 0, records = 0, failed = 0, dropped = 0;
    };
    struct Watched {
        DeliveryStats last;
        std::deque<Outcome> outcomes;    // one per ten seconds of the span, oldest first
        std::uint64_t success_at_s = 0;  // the last time that more records had arrived
    };

    [[nodiscard]] std::string stall_locked(std::uint64_t now_s) const;
    void report_delivery(const std::string& name, const Watched& watched, std::uint64_t now_s, HealthReport& out,
                         unsigned& able) const;

    const HealthThresholds thresholds_;
    mutable std::mutex mutex_;
    std::uint64_t sampled_s_ = 0;  // 0: never
    MemoryUse memory_;
    std::uint64_t lost_ = 0;
    std::uint64_t lost_at_s_ = 0;  // 0: never
    std::map<std::string, Watched> deliveries_;
};

}  // namespace sonde
