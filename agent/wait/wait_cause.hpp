#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "agent/model/wait.hpp"

namespace sonde {

// What a thread waits for, as /proc/TID/syscall says (proc(5)): the system call's number and its arguments. Empty: it
// runs, or is ready to. Text that is none of this: WaitCause::other.
// target_of: where a descriptor of the thread leads, as readlink on /proc/TID/fd/N says; asked for where the call alone
// does not tell. Pure, any thread.
std::optional<WaitCause> wait_cause(std::string_view syscall, const std::function<std::string(unsigned)>& target_of);

}  // namespace sonde
