#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/identity/container_names.hpp"
#include "agent/model/process.hpp"

namespace sonde {

struct ProcessTableOptions {
    bool read_proc = true;  // false in a replay: those processes ran elsewhere
    std::size_t max_processes = 16384;
    std::size_t max_exited = 1024;  // kept after their end: records of their last requests may still come
    std::string proc_root = "/proc";
    std::function<void(Process&)> redact{};  // takes secrets out before anybody sees the process
};

// pid → who it is. Owned by the pipeline thread; what it hands out is shared and immutable.
//
//   on_exec ──► exec (command and file name) ──find──► read (/proc, once) ──on_exit──► exited
//                        └──find, it is gone──► kept as it is                            │
//   a pid that has exited and lives again without exec (a forked worker) is read anew ◄──┘
class ProcessTable {
public:
    explicit ProcessTable(ProcessTableOptions options)
        : options_(std::move(options)), container_names_(options_.proc_root) {}

    // What is known of the process; /proc is asked once. Null: it is gone and nothing was known.
    ProcessPtr find(std::uint32_t pid);
    // The kernel's word comes before the process's first request; by the time of the look, it may be gone.
    void on_exec(std::uint32_t pid, std::uint32_t parent_pid, std::string_view comm, std::string_view filename);
    void on_exit(std::uint32_t pid);
    void put(ProcessPtr process);
    // Whoever lives is read from /proc anew when it is asked for next: what `redact` takes out has changed.
    void read_again();

    // Number of processes that left the full table before their end: the one that was not asked for longest goes
    // first. Any thread.
    [[nodiscard]] std::uint64_t evictions() const { return evictions_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        std::uint32_t pid = 0;
        ProcessPtr process;
        bool read = false;  // /proc has been asked since the last exec
        bool exited = false;
        std::uint64_t exit_number = 0;  // tells one exit of a reused pid from the next
    };
    using Entries = std::list<Entry>;  // most recently used first
    struct Exit {
        std::uint32_t pid;
        std::uint64_t number;
    };

    [[nodiscard]] ProcessPtr read_proc(std::uint32_t pid);
    [[nodiscard]] ProcessPtr successor(const Entry& exited);
    Entry* touch(std::uint32_t pid);
    void store(std::uint32_t pid, ProcessPtr process, bool read);

    const ProcessTableOptions options_;
    ContainerNames container_names_;
    Entries entries_;
    std::unordered_map<std::uint32_t, Entries::iterator> by_pid_;
    std::deque<Exit> exited_;  // oldest first
    std::uint64_t exits_ = 0;
    std::atomic<std::uint64_t> evictions_{0};
};

}  // namespace sonde
