#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace sonde {

// Which processes were seen in transactions, and under which service name. Written by the pipeline thread, for which
// a known process costs no lock; read by any other.
class HttpProcesses {
public:
    explicit HttpProcesses(std::size_t max_processes = 4096) : max_processes_(max_processes) {}

    // Pipeline thread, each transaction. A server's name is kept against a client's: it is what the process is for.
    void saw(std::uint32_t pid, std::string_view service, bool server) {
        if (pid == 0) return;
        if (changed_.load(std::memory_order_acquire)) relearn();
        const std::uint64_t key = std::uint64_t{pid} << 1 | static_cast<std::uint64_t>(server);
        if (key == last_) return;
        last_ = key;
        if (known_.size() >= 4 * max_processes_)
            known_.clear();  // of processes that found no room, nobody tells the end
        if (!known_.insert(key).second) return;
        learn(pid, service, server);
    }
    // The process has ended; its number may come again.
    void forget(std::uint32_t pid) {
        const std::lock_guard lock(mutex_);
        if (services_.erase(pid) == 0) return;
        forgotten_.push_back(pid);
        changed_.store(true, std::memory_order_release);
    }
    // Empty: not seen.
    [[nodiscard]] std::string service(std::uint32_t pid) const {
        const std::lock_guard lock(mutex_);
        const auto at = services_.find(pid);
        return at == services_.end() ? std::string{} : at->second.name;
    }
    [[nodiscard]] std::unordered_map<std::uint32_t, std::string> snapshot() const {
        const std::lock_guard lock(mutex_);
        std::unordered_map<std::uint32_t, std::string> out;
        for (const auto& [pid, service] : services_) out.emplace(pid, service.name);
        return out;
    }
    // Number of processes that found no room.
    [[nodiscard]] std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

private:
    struct Service {
        std::string name;
        bool server = false;
    };

    void learn(std::uint32_t pid, std::string_view service, bool server) {
        const std::lock_guard lock(mutex_);
        const auto at = services_.find(pid);
        if (at == services_.end()) {
            if (services_.size() >= max_processes_) {
                refused_.fetch_add(1, std::memory_order_relaxed);
                return;
            }
            services_.emplace(pid, Service{std::string(service), server});
        } else if (server && !at->second.server) {
            at->second = {std::string(service), true};
        }
    }
    void relearn() {
        const std::lock_guard lock(mutex_);
        for (const auto pid : forgotten_) {
            known_.erase(std::uint64_t{pid} << 1);
            known_.erase(std::uint64_t{pid} << 1 | 1);
        }
        forgotten_.clear();
        last_ = 0;
        changed_.store(false, std::memory_order_relaxed);
    }

    const std::size_t max_processes_;
    std::unordered_set<std::uint64_t> known_;  // the pipeline thread's own: pid and side
    std::uint64_t last_ = 0;                   // likewise: most transactions come from the process of the one before
    std::atomic<bool> changed_{false};
    std::atomic<std::uint64_t> refused_{0};
    mutable std::mutex mutex_;
    std::unordered_map<std::uint32_t, Service> services_;
    std::vector<std::uint32_t> forgotten_;
};

}  // namespace sonde
