#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace sonde {

// What is known of one process. Immutable once made: shared between threads without a lock.
struct Process {
    std::uint32_t pid = 0;            // thread group id in the initial pid namespace
    std::uint64_t start_time_ns = 0;  // CLOCK_MONOTONIC (since boot, like /proc/PID/stat field 22); 0: not known
    std::string comm;                 // /proc/PID/comm
    std::string exe;                  // /proc/PID/exe; empty where it could not be read
    std::string program;         // what a person calls it: the script of an interpreter, else the executable's name
    std::string unit;            // systemd unit without ".service"; empty: none
    std::string container_id;    // 64 hex digits; empty: not in a container
    std::string container_name;  // podman's or Docker's; empty: not known (recordings do not hold it)
    // What discovery rules ask for; empty where it was not read (recordings do not hold it):
    std::string command_line;  // arguments joined by spaces, the first 256 bytes
    std::string cgroup;        // path in cgroup v2, else of the first hierarchy, the first 256 bytes
    std::string runtime;       // "python", "node", …, by the executable's name
};
using ProcessPtr = std::shared_ptr<const Process>;

}  // namespace sonde
