#include "agent/resource/process_account.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace sonde {
namespace {

constexpr auto totals_fields = std::array{&UsageTotals::user_ns,
                                          &UsageTotals::system_ns,
                                          &UsageTotals::runqueue_ns,
                                          &UsageTotals::voluntary_switches,
                                          &UsageTotals::involuntary_switches,
                                          &UsageTotals::minor_faults,
                                          &UsageTotals::major_faults,
                                          &UsageTotals::read_bytes,
                                          &UsageTotals::written_bytes,
                                          &UsageTotals::read_operations,
                                          &UsageTotals::write_operations,
                                          &UsageTotals::read_latency_ns,
                                          &UsageTotals::write_latency_ns,
                                          &UsageTotals::received_bytes,
                                          &UsageTotals::sent_bytes,
                                          &UsageTotals::received_packets,
                                          &UsageTotals::sent_packets,
                                          &UsageTotals::retransmits};

constexpr auto usage_fields = std::array{&sonde_usage::cpu_ns,
                                         &sonde_usage::user_ns,
                                         &sonde_usage::system_ns,
                                         &sonde_usage::runqueue_ns,
                                         &sonde_usage::voluntary_switches,
                                         &sonde_usage::involuntary_switches,
                                         &sonde_usage::minor_faults,
                                         &sonde_usage::major_faults,
                                         &sonde_usage::read_bytes,
                                         &sonde_usage::written_bytes,
                                         &sonde_usage::cancelled_bytes};

std::uint64_t above(std::uint64_t now, std::uint64_t before) { return now > before ? now - before : 0; }

void raise(std::uint64_t& value, std::uint64_t newer) { value = std::max(value, newer); }

std::string text_of(const __u8 (&bytes)[SONDE_COMM_BYTES]) {
    const auto* text = reinterpret_cast<const char*>(bytes);
    return {text, ::strnlen(text, sizeof bytes)};
}

void take_tcp(const sonde_tcp_usage& closed, const sonde_tcp_usage& open, UsageTotals& totals) {
    raise(totals.received_bytes, closed.received_bytes + open.received_bytes);
    raise(totals.sent_bytes, closed.sent_bytes + open.sent_bytes);
    raise(totals.received_packets, closed.received_packets + open.received_packets);
    raise(totals.sent_packets, closed.sent_packets + open.sent_packets);
    raise(totals.retransmits, closed.retransmits + open.retransmits);
}

}  // namespace

std::uint64_t page_bytes() {
    static const auto bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return bytes;
}

UsageTotals& UsageTotals::operator+=(const UsageTotals& more) {
    for (const auto field : totals_fields) this->*field += more.*field;
    return *this;
}

UsageTotals UsageTotals::since(const UsageTotals& before) const {
    UsageTotals out;
    for (const auto field : totals_fields) out.*field = above(this->*field, before.*field);
    return out;
}

Holdings& Holdings::operator+=(const Holdings& more) {
    resident_bytes += more.resident_bytes;
    swap_bytes += more.swap_bytes;
    threads += more.threads;
    descriptors += more.descriptors;
    other_sockets += more.other_sockets;
    rtt_count += more.rtt_count;
    rtt_us += more.rtt_us;
    for (std::size_t i = 0; i < tcp.size(); ++i) tcp[i] += more.tcp[i];
    return *this;
}

void take_usage(const sonde_usage& usage, UsageTotals& totals) {
    const auto total = std::max<std::uint64_t>(usage.cpu_ns, totals.cpu_ns());
    const auto sampled = usage.user_ns + usage.system_ns;
    // nothing sampled yet: a program that is too short for a tick is called a user of its own time, as in /proc
    auto system = sampled == 0
                      ? 0
                      : static_cast<std::uint64_t>(static_cast<double>(total) * static_cast<double>(usage.system_ns) /
                                                   static_cast<double>(sampled));
    system = std::clamp(system, totals.system_ns, total - totals.user_ns);
    totals.system_ns = system;
    totals.user_ns = total - system;
    raise(totals.runqueue_ns, usage.runqueue_ns);
    raise(totals.voluntary_switches, usage.voluntary_switches);
    raise(totals.involuntary_switches, usage.involuntary_switches);
    raise(totals.minor_faults, usage.minor_faults);
    raise(totals.major_faults, usage.major_faults);
    raise(totals.read_bytes, usage.read_bytes);
    raise(totals.written_bytes, above(usage.written_bytes, usage.cancelled_bytes));
}

AccountedProcess* ProcessAccount::find_or_add(std::uint32_t pid, std::uint64_t start_ns) {
    if (const auto at = processes_.find(pid); at != processes_.end()) {
        auto& known = at->second;
        if (known.start_ns == start_ns) return &known;
        // the number lives again before the round that would have let the old process go
        unnamed_ += known.delta();
        known = {};
        known.pid = pid;
        known.start_ns = start_ns;
        return &known;
    }
    if (processes_.size() >= max_processes_) {
        ++refused_;
        return nullptr;
    }
    auto& made = processes_[pid];
    made.pid = pid;
    made.start_ns = start_ns;
    return &made;
}

void ProcessAccount::start_round() {
    ++round_;
    unnamed_ = {};
    exits_.clear();
    usage_.clear();
    forgettable_.clear();
    for (auto at = processes_.begin(); at != processes_.end();) {
        auto& process = at->second;
        process.previous = process.totals;
        process.now = {};
        if (process.ended && process.ended_round + 1 < round_) {
            forgettable_.push_back(process.pid);
            at = processes_.erase(at);
        } else {
            ++at;
        }
    }
}

void ProcessAccount::add_tasks(const ResourceReading& reading) {
    for (const auto& task : reading.tasks) {
        auto* process = find_or_add(task.tgid, task.start_ns);
        if (process == nullptr || process->ended) continue;
        process->seen = round_;
        ++process->now.threads;
        auto& sum = usage_[task.tgid];
        for (const auto field : usage_fields) sum.*field += task.usage.*field;
        if (task.tid != task.tgid) continue;
        process->parent_pid = task.ppid;
        process->group = task.group;
        if (process->comm.compare(0, std::string::npos, text_of(task.comm)) != 0) process->comm = text_of(task.comm);
        process->now.resident_bytes = (task.resident_pages[0] + task.resident_pages[1]) * page_bytes();
        process->now.swap_bytes = task.swap_pages * page_bytes();
    }
    for (const auto& [pid, usage] : usage_) take_usage(usage, processes_[pid].totals);
}

// A process whose last threads end at the same moment may be told more than once: the totals only grow.
void ProcessAccount::add_exits(const ResourceReading& reading) {
    for (const auto& exit : reading.exits) {
        auto* process = find_or_add(exit.tgid, exit.start_ns);
        if (process == nullptr) continue;
        take_usage(exit.usage, process->totals);
        if (process->exit_seen) continue;
        process->exit_seen = true;
        process->ended = true;
        process->ended_round = round_;
        process->exit_code = exit.exit_code;
        process->oom_killed = exit.oom_killed != 0;
        process->parent_pid = exit.ppid;
        process->group = exit.group;
        process->comm = text_of(exit.comm);
        process->now = {};
        exits_.push_back(exit);
    }
}

void ProcessAccount::add_extras(const ResourceReading& reading) {
    for (const auto& [pid, extra] : reading.extras) {
        if (pid == 0) {  // writeback: it has no record among the tasks
            auto* kernel = find_or_add(0, 0);
            if (kernel != nullptr) kernel->seen = round_;
        }
        const auto at = processes_.find(pid);
        if (at == processes_.end()) {
            // it ended before there was anybody to tell, or its thread group is just being made
            const auto since = strangers_.try_emplace(pid, round_).first->second;
            if (since + 1 < round_) forgettable_.push_back(pid);
            continue;
        }
        auto& process = at->second;
        const bool visited = extra.round == reading.round;
        take_tcp(extra.closed, visited && !process.ended ? extra.open : sonde_tcp_usage{}, process.totals);
        raise(process.totals.read_operations, extra.read_operations);
        raise(process.totals.write_operations, extra.write_operations);
        raise(process.totals.read_latency_ns, extra.read_latency_ns);
        raise(process.totals.write_latency_ns, extra.write_latency_ns);
        if (!visited || process.ended) continue;
        process.now.descriptors = extra.descriptors;
        process.now.other_sockets = extra.other_sockets;
        process.now.rtt_count = extra.rtt_count;
        process.now.rtt_us = extra.rtt_us;
        std::copy(std::begin(extra.tcp), std::end(extra.tcp), process.now.tcp.begin());
    }
    for (const auto pid : forgettable_) strangers_.erase(pid);
    std::erase_if(strangers_, [&](const auto& stranger) { return processes_.contains(stranger.first); });
}

void ProcessAccount::end_vanished() {
    for (auto& [pid, process] : processes_) {
        // one round's grace: its record may be on the way
        if (process.ended || process.seen + 1 >= round_) continue;
        process.ended = true;
        process.ended_round = round_;
        vanished_ += process.totals;
    }
}

// lost: all that processes whose end found no room ever used. What was known of them by then, and was in their deltas,
// is in it, too: they are among those that have vanished, or are just missing.
void ProcessAccount::add_lost(const sonde_usage& lost) {
    auto known = vanished_;
    for (const auto& [pid, process] : processes_)
        if (!process.ended && process.seen < round_) known += process.totals;
    UsageTotals all;
    take_usage(lost, all);
    const auto unknown = all.since(known).since(unknown_);
    unnamed_ += unknown;
    unknown_ += unknown;
}

void ProcessAccount::update(const ResourceReading& reading) {
    start_round();
    add_tasks(reading);
    add_exits(reading);
    add_extras(reading);
    end_vanished();
    add_lost(reading.lost_usage);
    if (round_ > 1) return;
    for (auto& [pid, process] : processes_) process.previous = process.totals;
    unnamed_ = {};
}

}  // namespace sonde
