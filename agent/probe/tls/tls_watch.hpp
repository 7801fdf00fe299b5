#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/model/process_watch.hpp"
#include "agent/probe/tls/mapped_files.hpp"
#include "agent/probe/tls/tls_library.hpp"

namespace sonde {

// One file with TLS inside that was found.
struct TlsFileState {
    std::string path;  // as the process that has it sees it
    TlsKind kind = TlsKind::openssl;
    bool attached = false;
    std::string detail;  // number of probes, or why there are none
};

// What the watch needs from the kernel's side; a test gives its own.
struct TlsWatchHooks {
    // Attaches a plan to a file. What comes back detaches when it goes.
    std::function<Result<std::shared_ptr<void>>(const std::string& path, const TlsPlan& plan)> attach;
    // State of processes that have ended can go.
    std::function<void()> forget_dead;
};

struct TlsWatchOptions {
    // Attached from the start and for good, so that the first request of a program that has just begun is seen.
    std::vector<std::string> standing = standard_libraries();
    // A program maps its libraries after exec, and may load more while it starts.
    std::chrono::milliseconds first_look{20};
    std::chrono::milliseconds second_look{1000};
    // After the end of a process that used TLS, and now and then: whose last user is gone is detached.
    std::chrono::milliseconds sweep_after{1000};
    std::chrono::milliseconds sweep_every{60000};

    // libssl and libgnutls where distributions put them, those that exist.
    static std::vector<std::string> standard_libraries();
};

// Finds every file with TLS inside that a process of this machine has mapped, in whatever mount namespace, and keeps
// probes on it as long as somebody uses it. Works on a thread of its own, "tls": a large executable takes a while.
// At most 100 processes a second are looked at after exec; whoever is over that is found by one look at all.
class TlsWatch final : public ProcessWatch {
public:
    TlsWatch(TlsWatchHooks hooks, TlsWatchOptions options = {});
    ~TlsWatch() override;
    TlsWatch(const TlsWatch&) = delete;
    TlsWatch& operator=(const TlsWatch&) = delete;

    // Any thread; cheap.
    void process_began(std::uint32_t pid) override;
    void process_ended(std::uint32_t pid) override;
    // A library that no look has found must be there.
    void process_speaks_tls(std::uint32_t pid) override;

    // False: not everything that ran at the start was looked at in that time.
    bool wait_first_look(std::chrono::milliseconds timeout_ms) const;
    [[nodiscard]] std::vector<TlsFileState> files() const;

private:
    using Clock = std::chrono::steady_clock;
    using FileId = std::pair<std::uint64_t, std::uint64_t>;  // device, inode
    struct File {
        TlsFileState state;
        std::shared_ptr<void> probes;
        bool standing = false;
    };
    struct Look {
        Clock::time_point due;
        std::uint32_t pid;
        bool thorough;  // also what was found to be without TLS before: inodes are used again
    };

    void run(const std::stop_token& stop);
    void look_at_standing();
    void look_at(std::uint32_t pid, bool thorough);
    void sweep();
    void consider(const MappedFile& mapped, bool standing, bool thorough);
    void schedule(Look look);
    bool within_budget(Clock::time_point now);

    const TlsWatchHooks hooks_;
    const TlsWatchOptions options_;
    mutable std::mutex mutex_;  // all below but plain_
    mutable std::condition_variable_any changed_;
    std::deque<Look> looks_;
    std::map<FileId, File> files_;
    std::unordered_set<std::uint32_t> users_;     // processes that have one of them mapped
    std::unordered_set<std::uint32_t> speakers_;  // processes that were looked at because they spoke TLS
    Clock::time_point sweep_at_;
    Clock::time_point budget_since_{};
    unsigned budget_used_ = 0;
    bool first_look_done_ = false;
    std::map<FileId, bool> plain_;  // files without TLS; the thread's own
    std::jthread thread_;           // last: it uses all of the above
};

}  // namespace sonde
