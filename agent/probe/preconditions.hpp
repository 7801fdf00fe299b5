#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"

// What the machine must offer before anything is loaded, and what it says of itself.
namespace sonde {

// The capabilities that loading takes; the error names those that are missing.
Status check_privilege();

// Where the kernel does not trust the processor's counter, the scheduler's clock differs from core to core, and it has
// left the counter for another clock source. False too where it does not say.
[[nodiscard]] bool scheduler_clock_is_stable();

// Where the root of cgroup v2 is mounted; empty: nowhere. A container's own cgroup is not it.
[[nodiscard]] std::string cgroup2_root();
// Mounts that may be it, from the text of /proc/self/mountinfo; whole trees only, no parts.
[[nodiscard]] std::vector<std::string> cgroup2_mounts_in(std::string_view mountinfo);
// The first of them; empty: none.
[[nodiscard]] std::string cgroup2_root_in(std::string_view mountinfo);

}  // namespace sonde
