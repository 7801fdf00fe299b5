#pragma once

#include <chrono>
#include <map>
#include <string>

#include "agent/base/result.hpp"
#include "agent/command/top.hpp"

namespace sonde {

// Fetches what top shows from a running agent.
class TopData {
public:
    explicit TopData(const TopOptions& options);

    // Fills the rows of the state's view and the numbers of its head.
    Status refresh(TopState& state);

private:
    struct Counters {
        double cpu_s = 0, received = 0, sent = 0, disk = 0;
        std::chrono::steady_clock::time_point at{};
    };
    Status refresh_endpoints(TopState& state);
    Status refresh_processes(TopState& state);

    const ClientOptions agent_;
    const int own_port_;                        // requests to the agent itself are not shown
    std::map<std::string, Counters> counters_;  // by pid, as of the last reading that differed
    std::map<std::string, TopProcess> shown_;   // with the rates between the last two readings
};

}  // namespace sonde
