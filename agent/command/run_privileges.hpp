#pragma once

#include <functional>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/metric/self_metrics.hpp"
#include "agent/privilege/privileges.hpp"

namespace sonde {

// What `sonde run` gives up, and when. Capabilities are each thread's own, and a thread begins with those of its
// starter:
//
//   main     load probes ── start_limited() ── attach to traffic ── limit_this_thread() ── … ── filter()
//   helper                 └ gives up, then starts the agent's threads: theirs is the small set from the first moment
//   tls                                                            └ started after limit_this_thread()
class RunPrivileges {
public:
    // needs_admin: Probe::late_uprobes_need_admin().
    RunPrivileges(const Config& config, bool needs_admin);

    // Calls start on a thread that has given up what is not kept, and waits for its end.
    Status start_limited(const std::function<void()>& start) const;
    Status limit_this_thread() const;
    // For all threads. A kernel that has no filters is told of, not an error.
    void filter() const;
    // Says which system calls were refused for the first time. About once a second, one thread.
    void tell_refusals();

private:
    const PrivilegeOptions options_;
    const PrivilegePlan plan_;
    std::size_t told_ = 0;  // number of system calls
};

// sonde_system_calls_filtered, sonde_system_calls_refused_total. Any thread.
void add_privileges(std::vector<Sample>& out);

}  // namespace sonde
