#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.hpp"

// The system calls that a running agent makes, and no others (seccomp(2)).
namespace sonde {

// Sets no_new_privs and lets every thread of the process, those to come too, make only what the list in
// system_call_filter.cpp allows. Anything else is answered by EPERM and counted: an agent that meets a library's new
// habit loses a feature, not its life. For good. Once, after everything is attached.
//
// io_uring's own operations do not pass seccomp; the file sink is what they are allowed for.
// Error: the kernel has no filters. In a build with sanitizers it is an error, too: their own calls are not on the
// list.
Status filter_system_calls();

// Name and number of what was refused since the start; empty: nothing. Any thread.
[[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> refused_system_calls();

}  // namespace sonde
