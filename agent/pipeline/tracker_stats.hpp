#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sonde {

struct TrackerLimits {
    std::size_t max_connections = 32768;
    std::size_t max_pipelined = 1024;                       // requests without a response on one connection
    std::uint64_t quiet_ns = std::uint64_t{2'000'000'000};  // a message of unknown length ends after this silence
    // The end of a Unix connection is seldom seen: one that has nothing open is forgotten after this silence.
    // unix.bpf.c announces it again after half of it.
    std::uint64_t silent_unix_ns = std::uint64_t{20'000'000'000};
};

// Number of things over the tracker's life; single writer, readable from any thread.
struct TrackerStats {
    std::atomic<std::uint64_t> connections{0};             // now in the table
    std::atomic<std::uint64_t> evicted_connections{0};     // the table was full
    std::atomic<std::uint64_t> unreadable_connections{0};  // began like HTTP/1 and was not
    std::atomic<std::uint64_t> tunnels{0};                 // CONNECT and Upgrade
    std::atomic<std::uint64_t> unmatched_responses{0};     // joined in the middle, or the request was lost
    std::atomic<std::uint64_t> lost_responses{0};          // the request stands with status unobserved
    std::atomic<std::uint64_t> unseen_pipelined{0};        // requests behind what the kernel captured of a segment
};

// For the single writer: a plain increment, no locked instruction.
inline void bump(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace sonde
