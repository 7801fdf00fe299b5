#include "agent/resource/process_metrics.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <cstring>

#include "agent/resource/proc_files.hpp"
#include "agent/resource/process_families.hpp"

namespace sonde {
namespace {

// A process that falls out of the top stays shown for so many rounds: a series that comes and goes is of no use.
constexpr std::uint64_t keep_rounds = 6;
constexpr const char* overflow_name = "{overflow}";

std::uint64_t cpu_use(const AccountedProcess& process) { return process.delta().cpu_ns(); }
std::uint64_t memory_use(const AccountedProcess& process) { return process.now.resident_bytes; }
std::uint64_t io_use(const AccountedProcess& process) {
    const auto delta = process.delta();
    return delta.read_bytes + delta.written_bytes + delta.received_bytes + delta.sent_bytes;
}

template <std::size_t N>
std::string text_of(const __u8 (&bytes)[N]) {
    const auto* text = reinterpret_cast<const char*>(bytes);
    return {text, ::strnlen(text, N)};
}

// "exit 0", "signal 9": how wait(2) tells an end
std::string how_it_ended(int status) {
    if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
    return "exit " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

ProcessMetrics::ProcessMetrics(ProcessLimits limits)
    : limits_(std::move(limits)),
      table_({.read_proc = true,
              .max_processes = 2 * limits_.max_processes + limits_.max_listeners,
              .max_exited = 64,
              .proc_root = limits_.proc_root}) {}

std::size_t ProcessMetrics::series_bound(const ProcessLimits& limits) {
    constexpr std::size_t about_self = 16;
    return (limits.max_processes + 1) * process_series_max + (limits.max_services + 1) * service_series_max +
           limits.max_listeners * listener_series_max + (limits.max_exit_kinds + 1) + (limits.max_ended_commands + 1) +
           (limits.max_oom_kinds + 1) * 3 + about_self;
}

bool ProcessMetrics::take(std::uint32_t pid) {
    if (const auto at = shown_.find(pid); at != shown_.end()) {
        at->second = round_;
        return true;
    }
    if (shown_.size() >= limits_.max_processes) {
        // whoever is there for old times' sake only makes room
        const auto idle = std::find_if(shown_.begin(), shown_.end(), [&](const auto& s) { return s.second < round_; });
        if (idle == shown_.end()) {
            ++refused_;
            return false;
        }
        shown_.erase(idle);
        ++evictions_;
    }
    shown_.emplace(pid, round_);
    return true;
}

void ProcessMetrics::choose_top(const Candidates& alive, std::uint64_t (*use)(const AccountedProcess&)) {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
    order.reserve(alive.size());
    for (const auto* process : alive)
        if (const auto used = use(*process); used > 0) order.emplace_back(used, process->pid);
    const auto count = std::min(order.size(), limits_.top);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                      [](const auto& a, const auto& b) { return a > b; });
    for (std::size_t i = 0; i < count; ++i) take(order[i].second);
}

void ProcessMetrics::choose(const ProcessAccount& account, const HttpServices& http) {
    std::erase_if(shown_, [&](const auto& shown) {
        const auto at = account.processes().find(shown.first);
        return at == account.processes().end() || (at->second.ended && at->second.ended_round < round_ - 1) ||
               shown.second + keep_rounds < round_;
    });
    Candidates alive, serving;
    std::size_t named = 0;
    for (const auto& [pid, process] : account.processes()) {
        if (process.ended) continue;
        alive.push_back(&process);
        if (http.contains(pid)) serving.push_back(&process);
        if (named < limits_.max_named &&
            std::find(limits_.named.begin(), limits_.named.end(), process.comm) != limits_.named.end())
            named += take(pid);
    }
    // whoever used most CPU in its life first: an order that hardly changes from round to round
    std::sort(serving.begin(), serving.end(),
              [](const auto* a, const auto* b) { return a->totals.cpu_ns() > b->totals.cpu_ns(); });
    refused_ += serving.size() - std::min(serving.size(), limits_.max_http);
    serving.resize(std::min(serving.size(), limits_.max_http));
    for (const auto* process : serving) take(process->pid);
    choose_top(alive, cpu_use);
    choose_top(alive, memory_use);
    choose_top(alive, io_use);
}

void ProcessMetrics::identify(const ProcessAccount& account, const HttpServices& http) {
    std::erase_if(identities_, [&](const auto& known) { return !shown_.contains(known.first); });
    for (const auto& [pid, round] : shown_) {
        const auto& process = account.processes().at(pid);
        auto& identity = identities_[pid];
        if (process.ended) {
            table_.on_exit(pid);
            continue;  // what was known of it last
        }
        if (identity.start_ns != process.start_ns || identity.comm != process.comm) {
            if (identity.process) table_.on_exec(pid, 0, process.comm, {});  // another program: read it anew
            identity = {};
            identity.start_ns = process.start_ns;
            identity.comm = process.comm;
            identity.process = table_.find(pid);
            if (identity.process) identity.runtime = detect_runtime(pid, identity.process->exe, limits_.proc_root);
        }
        const auto at = http.find(pid);
        identity.service = at != http.end() ? at->second : std::string(names_.name(identity.process.get(), 0));
        const auto status = read_text(limits_.proc_root + "/" + std::to_string(pid) + "/status", 8192);
        identity.resident_bytes = keyed_number(status, "VmRSS").value_or(0) * 1024;
        identity.swap_bytes = keyed_number(status, "VmSwap").value_or(0) * 1024;
    }
}

void ProcessMetrics::sum_up(const ProcessAccount& account, const HttpServices& http) {
    other_now_ = {};
    other_processes_ = 0;
    other_ += account.unnamed();
    for (auto& [name, service] : services_) {
        service.now = {};
        service.processes = 0;
    }
    for (const auto& [pid, process] : account.processes()) {
        if (!shown_.contains(pid)) {
            other_ += process.delta();
            other_now_ += process.now;
            other_processes_ += !process.ended;
        }
        const auto at = http.find(pid);
        if (at == http.end()) continue;
        const bool room = services_.contains(at->second) || services_.size() < limits_.max_services;
        auto& service = services_[room ? at->second : overflow_name];
        service.totals += process.delta();
        service.now += process.now;
        service.processes += !process.ended;
        service.used_round = round_;
    }
    // a service without processes keeps its totals for a while: a restart is no new service
    std::erase_if(services_, [&](const auto& s) { return s.second.used_round + 10 * keep_rounds < round_; });
}

void ProcessMetrics::note_ends(const ProcessAccount& account, const ResourceReading& reading) {
    for (const auto& exit : account.exits()) {
        std::pair key{text_of(exit.comm), how_it_ended(exit.exit_code)};
        if (!exits_.contains(key) && exits_.size() >= limits_.max_exit_kinds) key = {overflow_name, overflow_name};
        ++exits_[key];
        const bool room = ended_cpu_ns_.contains(key.first) || ended_cpu_ns_.size() < limits_.max_ended_commands;
        ended_cpu_ns_[room ? key.first : overflow_name] += exit.usage.cpu_ns;
    }
    for (const auto& kill : reading.oom_kills) {
        std::pair key{text_of(kill.comm), text_of(kill.cgroup)};
        if (!oom_kills_.contains(key) && oom_kills_.size() >= limits_.max_oom_kinds)
            key = {overflow_name, overflow_name};
        auto& kills = oom_kills_[key];
        ++kills.count;
        kills.victim_bytes = (kill.anonymous_pages + kill.file_pages + kill.shared_pages) * page_bytes();
        kills.limit_bytes = kill.limit_pages * page_bytes();
    }
}

void ProcessMetrics::note_listeners(const ResourceReading& reading, const HttpServices& http) {
    listeners_.clear();
    listeners_dropped_ = 0;
    auto samples = reading.listeners;
    // when there are too many, the fullest queues stay
    std::sort(samples.begin(), samples.end(), [](const auto& a, const auto& b) {
        return std::tuple(b.drops, b.backlog, a.port) < std::tuple(a.drops, a.backlog, b.port);
    });
    for (const auto& sample : samples) {
        if (listeners_.size() >= limits_.max_listeners) {
            listeners_dropped_ = samples.size() - limits_.max_listeners;
            break;
        }
        const auto at = http.find(sample.tgid);
        const auto process = table_.find(sample.tgid);
        listeners_.push_back(
            {sample, at != http.end() ? at->second : std::string(names_.name(process.get(), sample.port))});
    }
}

void ProcessMetrics::update(const ProcessAccount& account, const ResourceReading& reading, const HttpServices& http) {
    ++round_;
    counts_ = reading.counts;
    choose(account, http);
    identify(account, http);
    sum_up(account, http);
    note_ends(account, reading);
    note_listeners(reading, http);
}

Labels ProcessMetrics::labels_of(std::uint32_t pid, const AccountedProcess& process) const {
    Labels labels{{"process_pid", pid == 0 ? "kernel" : std::to_string(pid)}};
    const auto at = identities_.find(pid);
    const auto* known = at == identities_.end() ? nullptr : at->second.process.get();
    labels.push_back({"process_executable_name", known != nullptr ? known->program : process.comm});
    if (at != identities_.end() && !at->second.service.empty()) labels.push_back({"service_name", at->second.service});
    if (known != nullptr && !known->container_id.empty()) labels.push_back({"container_id", known->container_id});
    return labels;
}

void ProcessMetrics::add(FamilyList& out, const ProcessAccount& account) const {
    for (const auto& [pid, round] : shown_) {
        const auto at = account.processes().find(pid);
        if (at == account.processes().end()) continue;
        const auto& process = at->second;
        const auto labels = labels_of(pid, process);
        add_process_totals(out, labels, process.totals);
        if (process.ended || pid == 0) continue;
        auto now = process.now;
        const auto& identity = identities_.at(pid);
        if (identity.resident_bytes > 0) {
            now.resident_bytes = identity.resident_bytes;
            now.swap_bytes = identity.swap_bytes;
        }
        add_process_holdings(out, labels, now);
        out.gauge("process_start_after_boot_seconds", "When the process started, in seconds after the machine's start.",
                  labels, static_cast<double>(process.start_ns) / 1e9);
        if (identity.runtime.name.empty()) continue;
        auto described = labels;
        described.push_back({"process_runtime_name", identity.runtime.name});
        described.push_back({"process_runtime_version", identity.runtime.version});
        out.gauge("process_runtime_info", "What the process runs on, as labels; always 1.", described, 1);
    }
    const Labels others{{"process_pid", "other"}};
    add_process_totals(out, others, other_);
    add_process_holdings(out, others, other_now_);
    add_services(out);
    add_ends(out);
    add_self(out);
}

void ProcessMetrics::add_services(FamilyList& out) const {
    for (const auto& [name, service] : services_)
        add_service(out, {{"service_name", name}}, service.totals, service.now, service.processes);
    for (const auto& [sample, service] : listeners_)
        add_listener(out,
                     {{"service_name", service},
                      {"server_port", std::to_string(sample.port)},
                      {"process_pid", std::to_string(sample.tgid)},
                      {"net_namespace", std::to_string(sample.net_namespace)}},
                     sample);
}

void ProcessMetrics::add_ends(FamilyList& out) const {
    for (const auto& [key, count] : exits_)
        out.counter("process_exits_total", "Number of processes that ended, by command and by code or signal.",
                    {{"process_command", key.first}, {"how", key.second}}, static_cast<double>(count));
    for (const auto& [command, ns] : ended_cpu_ns_)
        out.counter("process_ended_cpu_seconds_total",
                    "CPU time that processes had used in their whole life when they ended, by command.",
                    {{"process_command", command}}, static_cast<double>(ns) / 1e9);
    for (const auto& [key, kills] : oom_kills_) {
        const Labels labels{{"process_command", key.first}, {"cgroup", key.second}};
        out.counter("process_oom_kills_total", "Number of processes that the OOM killer ended.", labels,
                    static_cast<double>(kills.count));
        out.gauge("process_oom_victim_memory_bytes", "Resident memory of the last victim when it was chosen.", labels,
                  static_cast<double>(kills.victim_bytes));
        if (kills.limit_bytes > 0)
            out.gauge("process_oom_limit_bytes", "Smallest memory limit of the last victim's cgroups.", labels,
                      static_cast<double>(kills.limit_bytes));
    }
}

void ProcessMetrics::add_self(FamilyList& out) const {
    const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
    out.counter("system_processes_created_total", "Number of processes made by fork since the agent started.", {},
                number(counts_[SONDE_COUNT_FORKS]));
    out.counter("system_processes_executed_total", "Number of programs started by exec since the agent started.", {},
                number(counts_[SONDE_COUNT_EXECS]));
    out.counter("system_processes_ended_total", "Number of processes that ended since the agent started.", {},
                number(counts_[SONDE_COUNT_EXITS]));
    out.gauge("sonde_resource_processes_shown", "Number of processes that have series of their own.", {},
              number(shown_.size()));
    out.gauge("sonde_resource_processes_other", "Number of processes that are summed in the series \"other\".", {},
              number(other_processes_));
    out.counter("sonde_resource_evictions_total",
                "Number of processes that lost their series to others before their time.", {}, number(evictions_));
    out.counter("sonde_resource_refusals_total",
                "Number of times, once a round, that a process found no room for series of its own.", {},
                number(refused_));
    out.gauge("sonde_resource_listeners_dropped", "Number of listening sockets that are not shown.", {},
              number(listeners_dropped_));
    const auto lost = [&](const char* what, sonde_resource_count index) {
        out.counter("sonde_resource_lost_total", "Number of things that the kernel programs had no room for, by kind.",
                    {{"kind", what}}, number(counts_[index]));
    };
    lost("exit", SONDE_COUNT_EXITS_LOST);
    lost("process", SONDE_COUNT_PROCESSES_FULL);
    lost("block_request", SONDE_COUNT_REQUESTS_FULL);
    lost("oom_kill", SONDE_COUNT_OOM_LOST);
    lost("socket_owner", SONDE_COUNT_SOCKETS_UNKNOWN);
}

}  // namespace sonde
