#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.hpp"

// What the machine must offer before anything is loaded, and what it says of itself.
namespace sonde {

// The capabilities that loading takes; the error names those that are missing.
Status check_privilege();

// Where the kernel does not trust the processor's counter, the scheduler's clock differs from core to core, and it has
// left the counter for another clock source. False too where it does not say.
[[nodiscard]] bool scheduler_clock_is_stable();

// Where cgroup v2 is mounted; empty: nowhere.
[[nodiscard]] std::string cgroup2_root();
// The same from the text of /proc/self/mountinfo.
[[nodiscard]] std::string cgroup2_root_in(std::string_view mountinfo);

}  // namespace sonde
