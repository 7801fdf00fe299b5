#include "agent/config/profile.hpp"

namespace sonde {

const std::vector<ConfigProfile>& config_profiles() {
    static const std::vector<ConfigProfile> profiles{
        {"development", "Everything is written out; a terminal is looking.", ""},
        {"staging", "Everything that tells something is written out; health checks are not.", R"(
sampling:
  skip_paths: [/healthz, /readyz, /livez]
  route_per_second: 100
)"},
        {"production", "Errors, slow and new ones are written out, and a tenth of the rest.", R"(
resources:
  interval: 10s
ring:
  size: 16MiB
sampling:
  head_rate: 0.1
  skip_paths: [/healthz, /readyz, /livez]
  route_per_second: 20
)"},
    };
    return profiles;
}

}  // namespace sonde
