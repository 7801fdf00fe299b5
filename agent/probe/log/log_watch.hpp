#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/model/process_watch.hpp"
#include "agent/probe/log/log_plan.hpp"

namespace sonde {

struct LogWatchOptions {
    bool enabled = true;                   // false: nothing is captured at write calls
    std::size_t max_processes = 256;       // watched at a time, 1 … 1024; each has one to three probes
    std::vector<std::string> processes{};  // command names (comm) that are watched although they serve nothing
    std::uint32_t self_pid = 0;            // never watched: a line about a line would have no end
    // Servers answer by writev, and few log by it: after so many calls without a log among them its probe is taken off
    // …
    std::uint64_t idle_calls = 2000;
    // … and put back after this time, to look again.
    std::chrono::seconds look_again{60};
    std::chrono::milliseconds check_every{1000};
};

// What the watch needs from the kernel's side; a test gives its own. Called on the watch's thread.
struct LogWatchHooks {
    // Probes one function of a file in one process. What comes back takes the probe off when it goes.
    std::function<Result<std::shared_ptr<void>>(std::uint32_t pid, const std::string& path, LogProbePoint point)>
        attach;
    // The process's writes are looked at from now on; false: there is no room for it.
    std::function<bool(std::uint32_t pid)> admit;
    std::function<void(std::uint32_t pid)> dismiss;
    // What was counted of an admitted process.
    std::function<sonde_log_watch(std::uint32_t pid)> counts;
};

struct LogWatchStats {
    std::size_t processes = 0;  // watched now
    std::size_t probes = 0;     // attached now
    std::uint64_t refused = 0;  // number of processes that were not watched: too many, or nothing to probe
    std::string last_refusal;   // why, of the last one
};

// Puts probes on the functions through which processes write, in each process that serves HTTP and in the other
// processes of its program under the same parent (the workers that have not been asked yet). Works on a thread of its
// own, "logs".
class LogWatch final : public ProcessWatch {
public:
    LogWatch(LogWatchHooks hooks, LogWatchOptions options);
    ~LogWatch() override;
    LogWatch(const LogWatch&) = delete;
    LogWatch& operator=(const LogWatch&) = delete;

    // Pipeline thread; cheap.
    void process_began(std::uint32_t pid) override;
    void process_ended(std::uint32_t pid) override;
    void process_speaks_tls(std::uint32_t) override {}
    void process_serves(std::uint32_t pid) override;

    // Any thread.
    [[nodiscard]] LogWatchStats stats() const;

private:
    using Clock = std::chrono::steady_clock;
    using FileId = std::pair<std::uint64_t, std::uint64_t>;  // device, inode
    enum class Task : std::uint8_t { serves, began, ended };
    struct Probe {
        std::string path;
        LogProbePoint point;
        std::shared_ptr<void> attached;  // null: taken off
        std::uint64_t hits_before = 0;   // when it was put on
        Clock::time_point again;         // taken off: when to put it back
    };
    struct Watched {
        std::vector<Probe> probes;
    };

    void run(const std::stop_token& stop);
    void push(Task task, std::uint32_t pid);
    void serves(std::uint32_t pid);
    void watch(std::uint32_t pid);
    void dismiss(std::uint32_t pid);
    void refuse(const std::string& why);
    void check_idle();
    [[nodiscard]] bool named(std::uint32_t pid) const;
    const std::vector<LogProbePoint>* plan_of(FileId id, const std::string& path);

    const LogWatchHooks hooks_;
    const LogWatchOptions options_;
    std::unordered_set<std::uint32_t> told_;  // the pipeline's thread: who was told to serve

    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<std::pair<Task, std::uint32_t>> tasks_;  // bounded
    LogWatchStats stats_;

    // the watch's own thread's
    std::unordered_map<std::uint32_t, Watched> watched_;
    std::map<FileId, std::optional<std::vector<LogProbePoint>>> plans_;
    std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sonde
