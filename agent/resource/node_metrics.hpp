#pragma once

#include <string>

#include "agent/resource/family_list.hpp"

namespace sonde {

// The machine as a whole, from /proc and statvfs(3), under OpenTelemetry's system.* names: CPU by mode, load, memory,
// paging, pressure, disks, file systems, network, TCP. At most node_series_max series: devices, interfaces and mounts
// beyond their bounds are left out and counted in sonde_node_devices_dropped. proc_root: "/proc", or a test's.
// May block on slow disks only; network file systems are not asked.
void add_node_metrics(FamilyList& out, const std::string& proc_root = "/proc");

inline constexpr std::size_t node_devices_max = 32;  // disks; as many interfaces; as many mounts
inline constexpr std::size_t node_series_max = 40 + node_devices_max * (8 + 8 + 6);

}  // namespace sonde
