#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "agent/base/result.hpp"
#include "bpf/shared/resource.h"

namespace sonde {

// What the kernel said in one round. May be used again for the next.
struct ResourceReading {
    std::vector<sonde_task_sample> tasks;  // one per thread
    std::vector<sonde_listen_sample> listeners;
    std::vector<sonde_exit_sample> exits;  // since the last round
    std::vector<sonde_oom_sample> oom_kills;
    std::vector<std::pair<std::uint32_t, sonde_process_extra>> extras;  // by tgid; may outlive their process
    std::uint64_t round = 0;                                            // extras of an older one were not visited
    sonde_usage lost_usage{};                                           // of exits that found no room, since the start
    std::array<std::uint64_t, SONDE_COUNTS> counts{};                   // by enum sonde_resource_count, since the start
};

// Where readings come from: the kernel, or a test. One thread.
class ResourceSource {
public:
    virtual ~ResourceSource() = default;
    // Fails where the kernel did not answer; `reading` then holds what came before that.
    virtual Status read(ResourceReading& reading) = 0;
    // These processes have ended and were accounted: what the kernel keeps of them may go.
    virtual void forget(std::span<const std::uint32_t> tgids) = 0;
};

}  // namespace sonde
