#pragma once

#include <cstdint>

#include "agent/correlate/correlator.hpp"
#include "agent/history/history.hpp"
#include "agent/pipeline/tracker_stats.hpp"
#include "sinks/delivery.hpp"

namespace sonde {

// How much each table that grows with traffic may hold. Whatever does not fit is evicted and counted where it always
// is: a smaller plan knows less, and says so.
struct MemoryPlan {
    // Resident memory of an agent that has seen nothing yet, and of what does not shrink: the program, its libraries,
    // probes, rules, what a reading of all processes takes. tests/bench/memory.py.
    static constexpr std::uint64_t fixed_bytes = std::uint64_t{44} << 20;

    // max_bytes: resident memory at most, from Config::least_memory_bytes on; 0: every table up to its own bound.
    static MemoryPlan of(std::uint64_t max_bytes);

    // Takes the plan's sizes, where they are smaller.
    void apply(CorrelatorOptions& correlator) const;
    void apply(QueueOptions& queue) const;
    // The kernel's ring, KiB, a power of two: a sixteenth of the ceiling at most.
    [[nodiscard]] std::uint32_t ring_kib(std::uint32_t wanted) const;

    std::uint64_t max_bytes = 0;
    double share = 1;  // of each table's own bound, 0 … 1
    TrackerLimits tracker{};
    HistoryOptions history{};
    std::size_t max_processes = 16384;  // that serve or ask; twice as many are counted
};

}  // namespace sonde
