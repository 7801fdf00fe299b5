#include "agent/config/sections.hpp"

namespace sonde {

void describe_routes(Section<Config>& config) {
    config
        .object("routes", &Config::routes, "How paths become routes, and how many there may be.",
                [](auto& s) {
                    s.integer("max_per_service", &RouteLimits::max_routes_per_service,
                              "Further ones of a service become {overflow}.")
                        .range(1, 100'000)
                        .unit("routes");
                    s.integer("max", &RouteLimits::max_routes, "Of all services together.")
                        .range(1, 100'000)
                        .unit("routes");
                    s.integer("max_segments", &RouteLimits::max_segments, "What is deeper becomes one {rest}.")
                        .range(1, 64)
                        .unit("segments");
                    s.integer("max_children", &RouteLimits::max_children,
                              "Different words below one prefix; further ones become {name}.")
                        .range(1, 10'000)
                        .unit("words");
                })
        .reloadable();
}

}  // namespace sonde
