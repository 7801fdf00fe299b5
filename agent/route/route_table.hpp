#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/inline_string.hpp"

namespace sonde {

struct RouteLimits {
    std::size_t max_routes_per_service = 500;
    std::size_t max_routes = 4000;
    std::size_t max_segments = 12;  // what is deeper becomes one {rest}
    std::size_t max_children = 50;  // words that may stand below one prefix; further ones become {name}
};

// Counted by the table, readable from any thread.
struct RouteStats {
    std::atomic<std::uint64_t> routes{0};      // number of routes made
    std::atomic<std::uint64_t> services{0};    // number of services that have routes
    std::atomic<std::uint64_t> overflowed{0};  // number of calls answered with the overflow route
    std::atomic<std::uint64_t> collapsed{0};   // number of routes made with a learned {name}
    std::atomic<std::uint64_t> cache_hits{0};  // number of calls answered from the exact-path cache
};

inline constexpr std::string_view overflow_route = "{overflow}";

// path → route: /orders/42 → /orders/{id}. What each segment becomes is in path_segment.hpp.
// Beyond those rules the table learns: a prefix that already has max_children different words below it gets {name}
// for all further ones (/users/alice … then /users/{name}); what was a word before stays one.
//
// The number of routes is bounded for good: over the budget every new route is overflow_route. So a scanner with
// 100,000 paths costs a fixed amount of memory. Segments keep their bytes (percent-encoding too); query, fragment
// and ;parameters are not part of a route; "//" counts as "/"; a trailing "/" is kept, as frameworks do.
//
// One thread (the pipeline). Known paths cost no allocation.
class RouteTable {
public:
    // Is there a secret in a segment that would stand in a route as it is? Such a one becomes {redacted}.
    using HidesSegment = std::function<bool(std::string_view segment)>;

    explicit RouteTable(const RouteLimits& limits = {}, HidesSegment hides = {});
    RouteTable(const RouteTable&) = delete;
    RouteTable& operator=(const RouteTable&) = delete;

    // path: the request target (origin-form, "*", absolute-form; anything else is {token}).
    // The returned view holds for the table's life; the same route is always the same view.
    std::string_view route(std::string_view service, std::string_view path);

    // For routes made from now on. Fewer than there are: those stay.
    void set_limits(const RouteLimits& limits) { limits_ = limits; }
    // `hides` answers otherwise than before: words that it hides now are no part of a route any more. Routes that were
    // made stay in the budget.
    void hide_again();
    // A path that is a name and no place, such as gRPC's /package.Service/Method: the route is the path itself. Under
    // the same budget; same view for the same path, whatever route() would make of it.
    std::string_view literal_route(std::string_view service, std::string_view path);

    [[nodiscard]] const RouteStats& stats() const { return stats_; }

private:
    static constexpr std::size_t cache_entries = 4096;  // 0.6 MiB; a power of two
    static constexpr std::size_t max_cached_path = 96;
    static constexpr std::uint32_t none = 0xffffffff;

    struct Service {
        std::string name;
        std::uint32_t root = 0;  // index in nodes_
        std::size_t routes = 0;
    };
    struct Node {
        std::string_view route;   // empty: no route ends here
        std::uint32_t words = 0;  // number of children that are words
    };
    struct Edge {
        std::uint32_t parent;
        std::string_view text;
        bool operator==(const Edge&) const = default;
    };
    struct EdgeHash {
        std::size_t operator()(const Edge& edge) const {
            return std::hash<std::string_view>{}(edge.text) ^ (edge.parent * std::size_t{0x9e3779b97f4a7c15});
        }
    };
    enum class Form : std::uint8_t { templated, literal };
    struct CacheEntry {
        std::size_t hash = 0;
        Form form = Form::templated;
        const Service* service = nullptr;
        std::string_view route;
        InlineString<max_cached_path> path;
    };
    struct Segments;

    Service* find_service(std::string_view name);
    std::uint32_t child(std::uint32_t parent, std::string_view text) const;
    std::string_view find(std::string_view service, std::string_view path, Form form);
    std::string_view lookup(Service& service, std::string_view path, Form form);
    std::string_view insert(Service& service, Segments& segments, std::size_t known, std::uint32_t node);
    std::string_view overflow();
    [[nodiscard]] bool hidden(std::string_view segment) const { return hides_ && hides_(segment); }

    RouteLimits limits_;
    const HidesSegment hides_;
    RouteStats stats_;
    std::deque<Service> services_;     // stable: cache entries point here
    std::deque<std::string> strings_;  // stable: views of routes and edges point here
    std::unordered_map<std::string_view, Service*> services_by_name_;
    std::vector<Node> nodes_;
    std::unordered_map<Edge, std::uint32_t, EdgeHash> edges_;
    std::vector<CacheEntry> cache_;
};

}  // namespace sonde
