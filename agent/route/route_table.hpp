#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "agent/base/inline_string.hpp"

namespace sonde {

struct RouteLimits {
    std::size_t max_routes = 4000;
    std::size_t max_routes_per_service = 500;
    std::size_t max_children = 100;  // different words at one place of a path before they count as names
};

// Stands for every path of a service beyond the budget.
inline constexpr std::string_view overflow_route = "{overflow}";

// path → route template: segments that look like ids, UUIDs, hashes, dates, e-mail addresses or tokens become {…}.
// Templates live as long as the table. Owned by the pipeline thread; no allocation for a path of a known route.
class RouteTable {
public:
    explicit RouteTable(const RouteLimits& limits) : limits_(limits) {}

    // service: an interned name (its address is part of the cache key). path: without query.
    std::string_view route(std::string_view service, std::string_view path);

    // Number of paths that went to the overflow route. Any thread.
    [[nodiscard]] std::uint64_t overflows() const { return overflows_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t routes() const { return count_.load(std::memory_order_relaxed); }

private:
    struct Cached {
        std::string_view service;
        InlineString<128> path;
        std::string_view route;
    };
    struct Service {
        std::unordered_set<std::string> routes;                   // nodes do not move
        std::unordered_map<std::string, std::size_t> children;    // template prefix → number of words below it
    };

    std::string_view look_up(std::string_view service, std::string_view path);
    void make_template(std::string_view path);
    std::string_view overflow();

    const RouteLimits limits_;
    std::array<Cached, 4096> cache_{};
    std::unordered_map<std::string_view, Service> services_;
    std::string template_;  // reused
    std::atomic<std::uint64_t> count_{0};
    std::atomic<std::uint64_t> overflows_{0};
};

// The placeholder for one path segment, or nothing where it is a word: "42" → "{id}".
std::string_view segment_placeholder(std::string_view segment);

}  // namespace sonde
