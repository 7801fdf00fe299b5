#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.hpp"

namespace sonde {

struct PrivilegeOptions {
    bool drop = true;     // give up every capability that a running agent does not need
    bool seccomp = true;  // and every system call that it does not make
};

// What a running agent keeps: kept_capabilities(), and for root what files in other users' directories take.
struct PrivilegePlan {
    std::uint64_t kept = 0;
    std::vector<std::string> notes;  // why more is kept; for people
};

// Adds one, when this thread has it.
void keep_also(PrivilegePlan& plan, unsigned capability, const std::string& why);

// written: the directories that sonde creates files in. chowns: files get another owner.
PrivilegePlan plan_privileges(const std::vector<std::string>& written, bool chowns);

}  // namespace sonde
