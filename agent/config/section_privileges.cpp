#include "agent/config/sections.hpp"

namespace sonde {

void describe_privileges(Section<Config>& config) {
    config.object("privileges", &Config::privileges,
                  "What a running agent gives up of what it was started with (privileges.md).",
                  [](Section<PrivilegeOptions>& s) {
                      s.boolean("drop", &PrivilegeOptions::drop,
                                "After attaching, keep only the capabilities that are still needed.");
                      s.boolean("seccomp", &PrivilegeOptions::seccomp,
                                "After attaching, allow only the system calls that are still needed.");
                  });
}

}  // namespace sonde
