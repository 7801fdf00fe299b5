#pragma once

#include <string>
#include <vector>

#include "agent/command/check.hpp"

namespace sonde {

// What can be told of this machine without loading anything: kernel, privileges, type information, cgroups, lockdown,
// io_uring, clock. root: where /proc and /sys lie ("" on a real machine; a test has its own).
std::vector<Check> check_machine(const std::string& root = {});

// Can events be written to this directory? Writes a small file for real and removes it, and looks at the space left.
Check check_events_directory(const std::string& directory);

}  // namespace sonde
