#pragma once

#include <cstddef>
#include <functional>

namespace sonde {

// A route of a service by the addresses of its names, which are interned: equal names have one address.
struct RouteKey {
    const char* service;
    const char* route;
    bool operator==(const RouteKey&) const = default;
};

struct RouteKeyHash {
    std::size_t operator()(const RouteKey& key) const {
        return std::hash<const char*>{}(key.service) * 31 + std::hash<const char*>{}(key.route);
    }
};

}  // namespace sonde
