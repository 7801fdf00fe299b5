#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sinks/delivery/circuit_breaker.hpp"

namespace sonde {

// Why a sink gave a record up.
enum class DropReason : std::uint8_t {
    expired,       // could not be delivered within its age or number of attempts
    rejected,      // the destination refused it for good
    spool_full,    // neither the destination nor the spool could take it
    spool_failed,  // the spool could not be written or read back
    shutdown,      // the agent stopped before it could be delivered
};
constexpr std::size_t drop_reason_count = 5;
constexpr std::array<std::string_view, drop_reason_count> drop_reason_names{"expired", "rejected", "spool_full",
                                                                            "spool_failed", "shutdown"};

// Time that attempts took, answered or not. Not cumulative; the last count is that of values over the last bound.
struct AttemptLatency {
    static constexpr std::array<std::uint32_t, 12> upper_ms{1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10'000};
    std::array<std::uint64_t, upper_ms.size() + 1> counts{};
    std::uint64_t sum_ns = 0;

    void observe(std::uint64_t duration_ns) {
        std::size_t bucket = 0;
        for (const auto bound : upper_ms) bucket += duration_ns > bound * std::uint64_t{1'000'000};
        ++counts[bucket];
        sum_ns += duration_ns;
    }
};

// What a sink that sends batches did over its life; numbers of records unless said otherwise. Always:
//     written + recovered = delivered + diverted + skipped + pending + spooled + Σ dropped
struct ExportStats {
    std::uint64_t written = 0;    // handed to the sink, or made by it at an interval
    std::uint64_t recovered = 0;  // found in the spool at start
    std::uint64_t delivered = 0;  // the destination said so (or cannot say: UDP)
    std::uint64_t diverted = 0;   // went to the fallback instead
    std::uint64_t skipped = 0;    // of a kind that the destination has no form for
    std::uint64_t pending = 0;    // in memory now
    std::uint64_t spooled = 0;    // on disk now
    std::array<std::uint64_t, drop_reason_count> dropped{};

    std::uint64_t batches = 0;   // delivered
    std::uint64_t attempts = 0;  // to send a batch
    std::uint64_t failures = 0;  // attempts that did not deliver
    std::uint64_t retries = 0;   // attempts after a failure
    std::uint64_t delivered_bytes = 0;
    std::uint64_t spool_bytes = 0;      // on disk now
    std::uint64_t last_success_ns = 0;  // CLOCK_REALTIME; 0: none yet
    std::uint64_t breaker_opened = 0;   // number of times
    BreakerState breaker = BreakerState::closed;
    bool degraded = false;  // records go to the fallback
    AttemptLatency latency;

    [[nodiscard]] std::uint64_t dropped_total() const {
        std::uint64_t sum = 0;
        for (const auto count : dropped) sum += count;
        return sum;
    }
    std::uint64_t& dropped_for(DropReason reason) { return dropped[static_cast<std::size_t>(reason)]; }
};

}  // namespace sonde
