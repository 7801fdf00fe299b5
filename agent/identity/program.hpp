#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sonde {

// What a person calls a process: the script or module of an interpreter, the class or archive of a Java machine,
// else the executable's name. arguments: /proc/PID/cmdline split at NUL, the program itself first; may be empty.
// Both are in the hands of the process; the result is printable (see printable_name) and may be empty.
std::string program_name(std::string_view exe, const std::vector<std::string_view>& arguments);

// At most 64 bytes, everything but printable ASCII replaced by '?': fit for a label and a terminal.
std::string printable_name(std::string_view name);

}  // namespace sonde
