#include "agent/command/memory_plan.hpp"

#include <algorithm>
#include <bit>

namespace sonde {
namespace {

// What the tables come to when each is at its own bound: connections of 2 KiB, held transactions and waiting lines,
// processes of 1 KiB, endpoints' cells and hours, label sets of metrics, two event files' queues.
constexpr std::uint64_t full_bytes = std::uint64_t{192} << 20;

std::size_t part(std::size_t whole, double share, std::size_t least) {
    return std::min(whole, std::max(least, static_cast<std::size_t>(static_cast<double>(whole) * share)));
}

}  // namespace

MemoryPlan MemoryPlan::of(std::uint64_t max_bytes) {
    MemoryPlan plan;
    plan.max_bytes = max_bytes;
    if (max_bytes == 0) return plan;
    const auto room = static_cast<double>(max_bytes - std::min(max_bytes, fixed_bytes));
    plan.share = std::min(1.0, room / static_cast<double>(full_bytes));
    plan.tracker.max_connections = part(plan.tracker.max_connections, plan.share, 1024);
    plan.max_processes = part(plan.max_processes, plan.share, 1024);
    auto& history = plan.history;
    history.feed.max_endpoints = part(history.feed.max_endpoints, plan.share, 256);
    history.seconds_bytes = part(history.seconds_bytes, plan.share, 256 << 10);
    history.tens_bytes = part(history.tens_bytes, plan.share, 512 << 10);
    history.minutes_bytes = part(history.minutes_bytes, plan.share, 256 << 10);
    for (auto& bytes : history.kept_bytes) bytes = part(bytes, plan.share, 128 << 10);
    return plan;
}

void MemoryPlan::apply(CorrelatorOptions& correlator) const {
    correlator.max_requests = part(correlator.max_requests, share, 1024);
    correlator.max_waiting_lines = part(correlator.max_waiting_lines, share, 2048);
    correlator.max_waiting_bytes = part(correlator.max_waiting_bytes, share, 1 << 20);
    correlator.max_held = part(correlator.max_held, share, 512);
}

void MemoryPlan::apply(QueueOptions& queue) const {
    if (queue.bytes == 0) queue.records = part(queue.records, share, 512);
}

std::uint32_t MemoryPlan::ring_kib(std::uint32_t wanted) const {
    if (max_bytes == 0) return wanted;
    const auto most = std::bit_floor(max_bytes / 16 / 1024);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, most));
}

}  // namespace sonde
