#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/identity/process_table.hpp"
#include "agent/identity/service.hpp"
#include "agent/resource/family_list.hpp"
#include "agent/resource/process_account.hpp"
#include "agent/resource/runtime.hpp"

namespace sonde {

// Which processes get series of their own, and how many. The rest is summed in one series, pid "other".
struct ProcessLimits {
    std::size_t max_http = 64;  // that serve or make HTTP requests
    std::size_t max_named = 32;
    std::vector<std::string> named;   // command names (/proc/PID/comm) that the configuration asks for
    std::size_t top = 10;             // by CPU time, by memory and by I/O: each
    std::size_t max_processes = 128;  // all of the above, those that have just ended, and those that have just
                                      // fallen out of the top
    std::size_t max_services = 64;
    std::size_t max_listeners = 128;
    std::size_t max_exit_kinds = 200;
    std::size_t max_ended_commands = 100;
    std::size_t max_oom_kinds = 32;
    std::string proc_root = "/proc";
};

// pid → service name, of processes seen in transactions.
using HttpServices = std::unordered_map<std::uint32_t, std::string>;

// Accounts → process_* (OpenTelemetry's names) and sonde_service_* series. One thread.
class ProcessMetrics {
public:
    explicit ProcessMetrics(ProcessLimits limits);

    void update(const ProcessAccount& account, const ResourceReading& reading, const HttpServices& http);
    void add(FamilyList& out, const ProcessAccount& account) const;
    // Number of series that add() can make at most with these limits, whatever runs on the machine.
    [[nodiscard]] static std::size_t series_bound(const ProcessLimits& limits);
    [[nodiscard]] const std::map<std::uint32_t, std::uint64_t>& shown() const { return shown_; }

private:
    struct Identity {
        std::uint64_t start_ns = 0;
        std::string comm;
        ProcessPtr process;
        std::string service;
        Runtime runtime;
        std::uint64_t resident_bytes = 0, swap_bytes = 0;  // the exact ones; 0: not read
    };
    struct Service {
        UsageTotals totals;
        Holdings now;
        std::uint64_t processes = 0;
        std::uint64_t starts = 0, used_round = 0;
    };
    struct Listener {
        sonde_listen_sample sample;
        std::string service;
    };
    struct OomKills {
        std::uint64_t count = 0, victim_bytes = 0, limit_bytes = 0;
    };
    using Candidates = std::vector<const AccountedProcess*>;

    void choose(const ProcessAccount& account, const HttpServices& http);
    void choose_top(const Candidates& alive, std::uint64_t (*use)(const AccountedProcess&));
    bool take(std::uint32_t pid);
    void identify(const ProcessAccount& account, const HttpServices& http);
    void sum_up(const ProcessAccount& account, const HttpServices& http);
    void note_ends(const ProcessAccount& account, const ResourceReading& reading);
    void note_listeners(const ResourceReading& reading, const HttpServices& http);
    [[nodiscard]] Labels labels_of(std::uint32_t pid, const AccountedProcess& process) const;
    void add_ends(FamilyList& out) const;
    void add_services(FamilyList& out) const;
    void add_self(FamilyList& out) const;

    const ProcessLimits limits_;
    ProcessTable table_;
    ServiceNames names_;
    std::map<std::uint32_t, std::uint64_t> shown_;  // pid → last round in which there was a reason to show it
    std::unordered_map<std::uint32_t, Identity> identities_;  // of those shown
    UsageTotals other_;
    Holdings other_now_;
    std::uint64_t other_processes_ = 0;
    std::map<std::string, Service> services_;
    std::vector<Listener> listeners_;
    std::size_t listeners_dropped_ = 0;
    std::map<std::pair<std::string, std::string>, std::uint64_t> exits_;  // command, how → number
    std::map<std::string, std::uint64_t> ended_cpu_ns_;                   // by command
    std::map<std::pair<std::string, std::string>, OomKills> oom_kills_;   // command, cgroup
    std::array<std::uint64_t, SONDE_COUNTS> counts_{};
    std::uint64_t round_ = 0;
    std::uint64_t evictions_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace sonde
