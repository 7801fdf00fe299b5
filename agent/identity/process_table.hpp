#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/model/process.hpp"

namespace sonde {

struct ProcessTableOptions {
    bool read_proc = true;  // false in a replay: those processes ran elsewhere
    std::size_t max_processes = 16384;
    std::size_t max_exited = 1024;  // kept after their end: records of their last requests may still come
    std::string proc_root = "/proc";
};

// pid → who it is. Owned by the pipeline thread; what it hands out is shared and immutable.
class ProcessTable {
public:
    explicit ProcessTable(ProcessTableOptions options) : options_(std::move(options)) {}

    // What is known of the process; /proc is asked once. Null: it is gone and nothing was known.
    ProcessPtr find(std::uint32_t pid);
    // The kernel's word comes before the process's first request; by the time of the look, it may be gone.
    void on_exec(std::uint32_t pid, std::uint32_t parent_pid, std::string_view comm, std::string_view filename);
    void on_exit(std::uint32_t pid);
    void put(ProcessPtr process);

    [[nodiscard]] std::uint64_t evictions() const { return evictions_.load(std::memory_order_relaxed); }

private:
    struct Entry {
        ProcessPtr process;
        bool read = false;  // /proc has been asked since the last exec
        bool exited = false;
    };

    [[nodiscard]] ProcessPtr read_proc(std::uint32_t pid) const;
    Entry& entry(std::uint32_t pid);

    const ProcessTableOptions options_;
    std::unordered_map<std::uint32_t, Entry> entries_;
    std::deque<std::uint32_t> exited_;  // oldest first
    std::atomic<std::uint64_t> evictions_{0};
};

}  // namespace sonde
