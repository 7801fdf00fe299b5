#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "agent/sample/route_key.hpp"

namespace sonde {

// What was seen of each route: was it there before, and is a duration beyond the slowest hundredth of its own?
// Half a KiB per route, bounded: of routes beyond the bound nothing is known, and none of them is new or slow.
//
// One thread. No allocation for known routes.
class RouteHistory {
public:
    explicit RouteHistory(std::size_t max_routes = 4096) : max_routes_(max_routes) {}

    struct Seen {
        bool first = false;            // the first of its route
        bool slower_than_p99 = false;  // of what the route had shown before this one
    };
    // service and route: interned; they are known by their addresses.
    Seen add(std::string_view service, std::string_view route, std::uint64_t duration_ns);

private:
    // Quarter octaves from 1 µs to 18 minutes; the percentile is known to 19%.
    static constexpr std::size_t buckets = 120;
    static constexpr std::uint32_t fewest = 200;         // before that, no percentile
    static constexpr std::uint32_t remembered = 20'000;  // then all counts are halved: old times fade

    struct Durations {
        std::array<std::uint32_t, buckets> counts{};
        std::uint32_t total = 0;
        std::uint32_t p99_bucket = buckets;  // looked up anew once in a while
    };
    static std::size_t bucket_of(std::uint64_t duration_ns);
    static void add(Durations& durations, std::size_t bucket);

    const std::size_t max_routes_;
    std::unordered_map<RouteKey, std::unique_ptr<Durations>, RouteKeyHash> routes_;
};

}  // namespace sonde
