#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "agent/wait/wait_queues.hpp"

namespace sonde {

// Number of looks, by what came of them; readable from any thread.
struct WaitStats {
    std::atomic<std::uint64_t> waited{0};
    std::atomic<std::uint64_t> ran{0};      // on a core or ready for one
    std::atomic<std::uint64_t> gone{0};     // the thread had ended
    std::atomic<std::uint64_t> refused{0};  // the kernel does not let us (no CAP_SYS_PTRACE, Yama's ptrace_scope 3)
};

// Looks at threads, on one of its own (`waits`), by /proc/TID/syscall: some 10 µs each; the thread itself notices
// nothing. It sleeps until wake().
class WaitSampler {
public:
    // queues outlive it. proc: where procfs is mounted.
    explicit WaitSampler(std::shared_ptr<WaitQueues> queues, std::string proc = "/proc");
    ~WaitSampler();
    void start();
    // There are orders. Any thread; does not block.
    void wake();

    [[nodiscard]] const WaitStats& stats() const { return stats_; }

private:
    void run(const std::stop_token& stop);
    [[nodiscard]] std::optional<WaitCause> look(std::uint32_t tid);

    const std::shared_ptr<WaitQueues> queues_;
    const std::string proc_;
    std::atomic<std::uint32_t> calls_{0};
    WaitStats stats_;
    std::jthread thread_;
};

}  // namespace sonde
