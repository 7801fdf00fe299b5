#pragma once

#include <string>
#include <string_view>

// What the text of /proc/PID/cgroup says. Pure functions; any thread.
namespace sonde {

// 64 hex digits of the innermost container (containerd, CRI-O, Docker, podman; cgroup v1 and v2; systemd and
// cgroupfs drivers); empty: not in a container.
std::string container_id_from_cgroup(std::string_view text);

// Name of the innermost *.service without the suffix, escapes decoded; empty: none. A user's manager
// (user@1000.service) is not a service of anybody's, and a container's
// engine (containerd.service above the container) is not the container's.
std::string systemd_unit_from_cgroup(std::string_view text);

// Path in the unified hierarchy (line "0::"), else in the one of the first line; empty: there is none.
std::string cgroup_path(std::string_view text);

}  // namespace sonde
