#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/resource/reading.hpp"

namespace sonde {

// What a process, or a set of them, has used. All only grow; nanoseconds, bytes, numbers.
struct UsageTotals {
    std::uint64_t user_ns = 0;
    std::uint64_t system_ns = 0;
    std::uint64_t runqueue_ns = 0;
    std::uint64_t voluntary_switches = 0;
    std::uint64_t involuntary_switches = 0;
    std::uint64_t minor_faults = 0;
    std::uint64_t major_faults = 0;
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t read_operations = 0;
    std::uint64_t write_operations = 0;
    std::uint64_t read_latency_ns = 0;
    std::uint64_t write_latency_ns = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t received_packets = 0;
    std::uint64_t sent_packets = 0;
    std::uint64_t retransmits = 0;

    [[nodiscard]] std::uint64_t cpu_ns() const { return user_ns + system_ns; }
    UsageTotals& operator+=(const UsageTotals& more);
    // What came since `before`; a field that went back counts as nothing.
    [[nodiscard]] UsageTotals since(const UsageTotals& before) const;
};

// What a process holds now.
struct Holdings {
    std::uint64_t resident_bytes = 0;
    std::uint64_t swap_bytes = 0;
    std::uint64_t threads = 0;
    std::uint64_t descriptors = 0;
    std::uint64_t other_sockets = 0;
    std::array<std::uint64_t, SONDE_TCP_STATES> tcp{};
    std::uint64_t rtt_count = 0;
    std::uint64_t rtt_us = 0;  // sum
    Holdings& operator+=(const Holdings& more);
};

struct AccountedProcess {
    std::uint32_t pid = 0;  // 0: the kernel's own writeback
    std::uint32_t parent_pid = 0;
    std::uint64_t start_ns = 0;  // CLOCK_BOOTTIME
    std::uint64_t group = 0;     // see sonde_task_sample
    std::string comm;
    UsageTotals totals;    // since the process started
    UsageTotals previous;  // of the round before
    Holdings now;
    bool ended = false;
    int exit_code = 0;  // as wait(2) gives it; means something once it has ended and exit_seen
    bool exit_seen = false;
    bool oom_killed = false;
    std::uint64_t seen = 0;         // the last round that showed it
    std::uint64_t ended_round = 0;  // kept for one more: its sockets close after it has ended
    // What it used since the round before; since its start where it is new.
    [[nodiscard]] UsageTotals delta() const { return totals.since(previous); }
};

// Readings → processes with totals and what they used since the round before. Processes that came and went between
// two rounds are there as well, ended. One thread.
class ProcessAccount {
public:
    static constexpr std::size_t usual_max_processes = 32768;
    explicit ProcessAccount(std::size_t max_processes = usual_max_processes) : max_processes_(max_processes) {}

    // The first round counts from zero on; after it every nanosecond that any process used is in exactly one delta.
    void update(const ResourceReading& reading);
    [[nodiscard]] const std::unordered_map<std::uint32_t, AccountedProcess>& processes() const { return processes_; }
    // What processes used in this round that are not in processes(): they ended without a record of their own, or
    // their number lives again.
    [[nodiscard]] const UsageTotals& unnamed() const { return unnamed_; }
    // Exits of this round, each once.
    [[nodiscard]] const std::vector<sonde_exit_sample>& exits() const { return exits_; }
    // Processes of which the kernel need not keep anything any more. Valid until the next update.
    [[nodiscard]] const std::vector<std::uint32_t>& forgettable() const { return forgettable_; }
    // Number of processes that were not accounted for want of room.
    [[nodiscard]] std::uint64_t refused() const { return refused_; }

private:
    AccountedProcess* find_or_add(std::uint32_t pid, std::uint64_t start_ns);
    void start_round();
    void add_tasks(const ResourceReading& reading);
    void add_exits(const ResourceReading& reading);
    void add_extras(const ResourceReading& reading);
    void end_vanished();
    void add_lost(const sonde_usage& lost);

    const std::size_t max_processes_;
    std::unordered_map<std::uint32_t, AccountedProcess> processes_;
    std::unordered_map<std::uint32_t, sonde_usage> usage_;  // of this round, summed over threads
    std::vector<sonde_exit_sample> exits_;
    std::vector<std::uint32_t> forgettable_;
    std::unordered_map<std::uint32_t, std::uint64_t> strangers_;  // known by their extras only, and since which round
    UsageTotals unnamed_;
    UsageTotals vanished_;  // ended without a record
    UsageTotals unknown_;   // lost, and of none of them
    std::uint64_t round_ = 0;
    std::uint64_t refused_ = 0;
};

// Bytes of a page of this machine.
std::uint64_t page_bytes();

// Takes `usage` into `totals`: CPU time exact, split by the sampled shares so that neither part goes back
// (cputime_adjust() in the kernel's sched/cputime.c does the same for /proc).
void take_usage(const sonde_usage& usage, UsageTotals& totals);

}  // namespace sonde
