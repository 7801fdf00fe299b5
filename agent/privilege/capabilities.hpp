#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"

// What sonde may do, by capabilities(7). Sets are masks: bit CAP_X stands for CAP_X.
namespace sonde {

struct CapabilityNeed {
    unsigned bit;
    std::string_view name;     // "CAP_BPF"
    std::string_view without;  // what users do not get
    bool required;             // nothing runs without it
    bool kept;                 // still needed once everything is attached
    bool implied_by_admin;     // CAP_SYS_ADMIN has always allowed it
};

// All that `sonde run` uses, and nothing else; tests/deploy/privileges_test.py holds it to that.
[[nodiscard]] std::span<const CapabilityNeed> capability_needs();
// What stays of them once everything is attached.
[[nodiscard]] std::uint64_t kept_capabilities();

// Bits of a line of /proc/PID/status ("CapEff:"); 0 where there is none.
[[nodiscard]] std::uint64_t capabilities_in(std::string_view status, std::string_view line);
// Of the calling thread.
[[nodiscard]] std::uint64_t effective_capabilities();
[[nodiscard]] bool has_capability(unsigned bit);
// "CAP_BPF, CAP_PERFMON"; those that sonde does not use by their number.
[[nodiscard]] std::string capability_names(std::uint64_t mask);

// Gives up, for the calling thread and those it will start, all but these; of these, it keeps what it has. For good:
// the inheritable and the ambient set are emptied, too. Threads that run already are not touched.
Status keep_capabilities(std::uint64_t mask);

// Files are written with the rights of their owner once CAP_DAC_OVERRIDE is gone. True when this user could not
// create files in the directory then: it, or the nearest one above that exists, is another's.
[[nodiscard]] bool needs_dac_override(const std::string& directory);

}  // namespace sonde
