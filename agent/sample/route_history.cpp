#include "agent/sample/route_history.hpp"

#include <bit>

namespace sonde {

std::size_t RouteHistory::bucket_of(std::uint64_t duration_ns) {
    constexpr int first_octave = 10;  // 1024 ns
    const auto octave = static_cast<int>(std::bit_width(duration_ns)) - 1;
    if (octave < first_octave) return 0;
    // the two bits below the highest one
    const auto quarter = static_cast<std::size_t>(duration_ns >> (octave - 2)) & 3U;
    const auto bucket = static_cast<std::size_t>(octave - first_octave) * 4 + quarter;
    return bucket < buckets ? bucket : buckets - 1;
}

void RouteHistory::add(Durations& durations, std::size_t bucket) {
    ++durations.counts[bucket];
    ++durations.total;
    if (durations.total >= remembered) {
        durations.total = 0;
        for (auto& count : durations.counts) durations.total += count /= 2;
    }
    constexpr std::uint32_t look_up_every = 64;
    if (durations.total < fewest || durations.total % look_up_every != 0) return;
    std::uint32_t above = 0;
    std::size_t b = buckets;
    while (b > 0 && (above += durations.counts[b - 1]) * 100 <= durations.total) --b;
    durations.p99_bucket = static_cast<std::uint32_t>(b > 0 ? b - 1 : 0);
}

RouteHistory::Seen RouteHistory::add(std::string_view service, std::string_view route, std::uint64_t duration_ns) {
    const RouteKey key{service.data(), route.data()};
    auto found = routes_.find(key);
    Seen seen;
    if (found == routes_.end()) {
        if (routes_.size() >= max_routes_) return seen;
        found = routes_.emplace(key, std::make_unique<Durations>()).first;
        seen.first = true;
    }
    const auto bucket = bucket_of(duration_ns);
    seen.slower_than_p99 = bucket > found->second->p99_bucket;
    add(*found->second, bucket);
    return seen;
}

}  // namespace sonde
