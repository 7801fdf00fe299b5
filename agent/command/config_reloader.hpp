#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/unique_fd.hpp"
#include "agent/config/load.hpp"
#include "agent/metric/self_metrics.hpp"
#include "agent/pipeline/policies.hpp"

namespace sonde {

// The policies that the configuration asks for, built and checked.
Result<PipelinePolicies> pipeline_policies(const Config& config);

// Follows the configuration while the agent runs, on the thread `config`:
//
//   SIGHUP, changed file ─► load and check all of it ─ wrong ─► says what; the old one stays in force
//                                   │ good
//                                   ▼
//          build policies and their automata ─► take() ─► Pipeline::adopt() ─► adopted() ─► says what changed
//          (here, so that the pipeline never waits)  └──── the pipeline's thread ────┘
//
// Environment and options hold at every reload as they did at the start. What only a start can change is named, and
// counted until the restart.
class ConfigReloader {
public:
    using Prepare = std::function<PreparedPolicies(const PipelinePolicies& policies)>;

    // running: what the agent was started with. reload_fd: an eventfd that asks for a reload. prepare is called on the
    // reloader's thread.
    ConfigReloader(ConfigRequest request, Config running, int reload_fd, Prepare prepare);
    ~ConfigReloader() { stop(); }
    ConfigReloader(const ConfigReloader&) = delete;
    ConfigReloader& operator=(const ConfigReloader&) = delete;

    // What waits to be taken over; nothing, most of the time, at the cost of one load. One thread.
    std::optional<PreparedPolicies> take();
    // It has been taken over.
    void adopted();
    // No reload any more. Its owner's thread; again: nothing.
    void stop();

    // What alerts ask: was the last reading refused, and how often was another configuration adopted. Any thread.
    struct State {
        bool refused = false;
        std::uint64_t applied = 0;
    };
    [[nodiscard]] State state() const;
    // sonde_config_*. Any thread.
    [[nodiscard]] std::vector<Sample> samples() const;

private:
    enum Outcome : unsigned char { applied, unchanged, rejected };
    static constexpr std::size_t outcomes = 3;

    void run(const std::stop_token& stop);
    void reload(const std::stop_token& stop);
    bool hand_over(PreparedPolicies prepared, const std::stop_token& stop);
    void count(Outcome outcome);

    const ConfigRequest request_;
    const Config started_;  // what only a start can change holds as it is here
    const int reload_fd_;
    const Prepare prepare_;
    const UniqueFd wake_;  // eventfd: stop

    mutable std::mutex mutex_;  // of what follows, down to the thread
    std::condition_variable_any taken_;
    std::optional<PreparedPolicies> waiting_;
    bool in_force_ = true;  // nothing waits or is being taken over
    Config running_;
    std::size_t restart_pending_ = 0;
    bool last_good_ = true;
    double last_success_s_ = 0;  // CLOCK_REALTIME
    std::array<std::uint64_t, outcomes> counts_{};

    std::atomic<bool> ready_{false};  // waiting_ is set
    std::jthread thread_;             // last: it uses all of the above
};

}  // namespace sonde
