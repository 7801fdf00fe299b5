#include "agent/route/route_table.hpp"

#include <algorithm>

#include "agent/route/path_segment.hpp"

namespace sonde {
namespace {

constexpr std::string_view learned_name = "{name}", redacted_name = "{redacted}", rest_name = "{rest}",
                           unrooted_route = "{token}";
constexpr std::size_t segment_room = 32;  // bound of RouteLimits::max_segments

void bump(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// http://host/a → /a (RFC 9112, section 3.2.2)
std::string_view strip_authority(std::string_view target) {
    const auto scheme = target.find("://");
    if (target.starts_with('/') || scheme == std::string_view::npos || scheme > 8) return target;
    const auto slash = target.find('/', scheme + 3);
    return slash == std::string_view::npos ? std::string_view{} : target.substr(slash);
}

}  // namespace

// A path taken apart. An empty last segment is a trailing slash; "/" is one empty segment.
struct RouteTable::Segments {
    std::array<RouteSegment, segment_room + 1> list;
    std::array<SegmentBuffer, segment_room> buffers;  // not initialised: most segments do not use theirs
    std::size_t size = 0;

    void add(RouteSegment segment) { list[size++] = segment; }

    void split(std::string_view path, std::size_t max_segments, bool literal) {
        std::size_t begin = 1;
        while (begin < path.size()) {
            const auto end = std::min(path.find('/', begin), path.size());
            auto segment = path.substr(begin, end - begin);
            begin = end + 1;
            if (!literal) segment = segment.substr(0, segment.find(';'));
            if (segment.empty()) continue;
            if (size == max_segments) return add({rest_name, false});
            if (literal) {
                add({segment, false});
                continue;
            }
            auto& buffer = buffers[size];
            add(classify_segment(segment, buffer));
        }
        if (size == 0 || path.ends_with('/')) add({"", false});
    }
};

RouteTable::RouteTable(const RouteLimits& limits, HidesSegment hides)
    : limits_{limits.max_routes_per_service, limits.max_routes,
              std::clamp<std::size_t>(limits.max_segments, 1, segment_room), limits.max_children},
      hides_(std::move(hides)),
      cache_(cache_entries) {}

std::string_view RouteTable::overflow() {
    bump(stats_.overflowed);
    return overflow_route;
}

RouteTable::Service* RouteTable::find_service(std::string_view name) {
    if (const auto found = services_by_name_.find(name); found != services_by_name_.end()) return found->second;
    if (services_.size() >= limits_.max_routes) return nullptr;
    services_.push_back({std::string(name), static_cast<std::uint32_t>(nodes_.size()), 0});
    nodes_.emplace_back();
    services_by_name_.emplace(services_.back().name, &services_.back());
    bump(stats_.services);
    return &services_.back();
}

std::string_view RouteTable::route(std::string_view service_name, std::string_view path) {
    path = path.substr(0, path.find('?'));  // twice memchr: find_first_of calls it for every byte
    path = path.substr(0, path.find('#'));
    return find(service_name, path, Form::templated);
}

std::string_view RouteTable::literal_route(std::string_view service_name, std::string_view path) {
    return find(service_name, path, Form::literal);
}

std::string_view RouteTable::find(std::string_view service_name, std::string_view path, Form form) {
    const std::hash<std::string_view> hash_of;
    const auto hash = hash_of(path) ^ (hash_of(service_name) * std::size_t{0x9e3779b97f4a7c15});
    auto& entry = cache_[hash & (cache_entries - 1)];
    if (entry.hash == hash && entry.service != nullptr && entry.form == form && entry.path.view() == path &&
        entry.service->name == service_name) {
        bump(stats_.cache_hits);
        return entry.route == overflow_route ? overflow()
                                             : entry.route;  // by content: a literal may have two addresses
    }
    auto* service = find_service(service_name);
    if (service == nullptr) return overflow();
    const auto result = lookup(*service, path, form);
    if (path.size() <= max_cached_path) {
        entry.hash = hash;
        entry.form = form;
        entry.service = service;
        entry.route = result;
        entry.path.assign(path);
    }
    return result;
}

std::uint32_t RouteTable::child(std::uint32_t parent, std::string_view text) const {
    const auto found = edges_.find({parent, text});
    return found == edges_.end() ? none : found->second;
}

std::string_view RouteTable::lookup(Service& service, std::string_view path, Form form) {
    path = strip_authority(path);
    if (path == "*") return "*";                                 // OPTIONS *
    if (!path.empty() && path[0] != '/') return unrooted_route;  // host:port of CONNECT, nonsense
    Segments segments;
    segments.split(path, limits_.max_segments, form == Form::literal);

    auto node = service.root;
    std::size_t known = 0;
    for (; known < segments.size; ++known) {
        auto& segment = segments.list[known];
        auto next = child(node, segment.text);
        if (next == none && segment.word) {
            const bool learned = nodes_[node].words >= limits_.max_children;
            if (learned || hidden(segment.text)) {
                segment = {learned ? learned_name : redacted_name, false};
                next = child(node, segment.text);
            }
        }
        if (next == none) break;
        node = next;
    }
    if (known == segments.size && !nodes_[node].route.empty()) return nodes_[node].route;
    if (service.routes >= limits_.max_routes_per_service ||
        stats_.routes.load(std::memory_order_relaxed) >= limits_.max_routes)
        return overflow();
    return insert(service, segments, known, node);
}

// Adds the edges from segments[known] on below node. Their texts are slices of the route's own string.
std::string_view RouteTable::insert(Service& service, Segments& segments, std::size_t known, std::uint32_t node) {
    auto& text = strings_.emplace_back();
    std::array<std::size_t, segment_room + 1> begins{};
    bool collapsed = false;
    for (std::size_t i = 0; i < segments.size; ++i) {
        if (i > known && segments.list[i].word && hidden(segments.list[i].text))
            segments.list[i] = {redacted_name, false};
        text += '/';
        begins[i] = text.size();
        text += segments.list[i].text;
        collapsed = collapsed || segments.list[i].text == learned_name;
    }
    const std::string_view route(text);
    for (std::size_t i = known; i < segments.size; ++i) {
        const auto made = static_cast<std::uint32_t>(nodes_.size());
        nodes_.emplace_back();
        edges_.emplace(Edge{node, route.substr(begins[i], segments.list[i].text.size())}, made);
        if (segments.list[i].word) ++nodes_[node].words;
        node = made;
    }
    nodes_[node].route = route;
    ++service.routes;
    bump(stats_.routes);
    if (collapsed) bump(stats_.collapsed);
    return route;
}

void RouteTable::hide_again() {
    std::fill(cache_.begin(), cache_.end(), CacheEntry{});
    std::erase_if(edges_, [this](const auto& edge) { return hidden(edge.first.text); });
}

}  // namespace sonde
