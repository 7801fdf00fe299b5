#include "agent/alert/service_watch.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace sonde {
namespace {

constexpr std::size_t short_id = 12;

// Field 22 of /proc/PID/stat, clock ticks since boot; the command before it may hold anything, ')' too.
std::optional<std::uint64_t> start_ticks(std::uint32_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(file, text)) return std::nullopt;
    const auto command_end = text.rfind(')');
    if (command_end == std::string::npos) return std::nullopt;
    std::istringstream fields(text.substr(command_end + 1));
    std::string field;
    for (int number = 3; number <= 22; ++number)
        if (!(fields >> field)) return std::nullopt;
    std::uint64_t ticks = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), ticks);
    return error == std::errc{} ? std::optional(ticks) : std::nullopt;
}

bool is_alive(const Process& process) {
    const auto ticks = start_ticks(process.pid);
    if (!ticks) return false;
    if (process.start_time_ns == 0) return true;
    constexpr std::uint64_t ns_per_tick = 10'000'000;  // USER_HZ is 100 everywhere
    // whoever set it had it from the same field, or did not have it exactly
    return *ticks * ns_per_tick == process.start_time_ns || process.start_time_ns % ns_per_tick != 0;
}

std::optional<ExecutableIdentity> executable_of(std::uint32_t pid) {
    struct stat file {};
    if (::stat(("/proc/" + std::to_string(pid) + "/exe").c_str(), &file) != 0) return std::nullopt;
    constexpr std::int64_t ns_per_s = 1'000'000'000;
    return ExecutableIdentity{file.st_dev, file.st_ino, file.st_mtim.tv_sec * ns_per_s + file.st_mtim.tv_nsec};
}

std::string container_text(const Process& process) {
    return process.container_id.empty() ? "no container" : "container " + process.container_id.substr(0, short_id);
}

}  // namespace

ProcessFacts ProcessFacts::of_proc() { return {is_alive, executable_of}; }

void ServiceWatch::observe(const Transaction& transaction) {
    if (!transaction.process || transaction.side != Side::server || transaction.service.empty()) return;
    auto& known = known_[transaction.process->pid % cache_size];
    if (known.first == transaction.process && known.second.data() == transaction.service.data()) return;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    // another request of this process will come
    if (!lock || seen_.size() >= seen_max) return;
    seen_.emplace_back(transaction.service, transaction.process);
    known = {transaction.process, transaction.service};
}

std::vector<AlertServiceChange> ServiceWatch::take(std::uint64_t now_ns) {
    std::vector<std::pair<std::string_view, ProcessPtr>> seen;
    {
        const std::lock_guard lock(mutex_);
        seen.swap(seen_);
    }
    std::vector<AlertServiceChange> changes;
    for (const auto& [service, process] : seen)
        if (auto change = judge(std::string(service), process, now_ns)) changes.push_back(std::move(*change));
    return changes;
}

std::optional<AlertServiceChange> ServiceWatch::judge(const std::string& service, const ProcessPtr& process,
                                                      std::uint64_t now_ns) {
    if (services_.size() >= services_max && services_.count(service) == 0) return std::nullopt;
    auto& workers = services_[service];
    for (const auto& worker : workers)
        if (worker.process->pid == process->pid && worker.process->start_time_ns == process->start_time_ns)
            return std::nullopt;  // its place in the cache was another's for a while
    const Worker one{process, facts_.executable(process->pid)};
    const bool is_first = workers.empty();
    const auto before = is_first ? nullptr : workers.back().process;
    bool same_program = is_first;
    for (const auto& worker : workers) {
        const bool same_file = !worker.executable || !one.executable || *worker.executable == *one.executable;
        same_program = same_program || (same_file && worker.process->exe == process->exe &&
                                        worker.process->container_id == process->container_id);
    }
    std::erase_if(workers, [&](const Worker& worker) { return !facts_.alive(*worker.process); });
    const bool alone = workers.empty();
    if (workers.size() >= workers_max) workers.erase(workers.begin());
    workers.push_back(one);
    if (is_first || (same_program && !alone)) return std::nullopt;
    AlertServiceChange out;
    out.service = service;
    out.change.time_ns = now_ns;
    out.change.kind = same_program ? "restart" : "deployment";
    if (same_program) {
        out.change.what = service + " restarted (process " + std::to_string(process->pid) + ")";
    } else if (before->container_id != process->container_id) {
        out.change.what = service + " runs in " + container_text(*process) + ", before in " + container_text(*before);
    } else if (before->exe != process->exe) {
        out.change.what = service + " runs from " + process->exe + ", before from " + before->exe;
    } else {
        out.change.what = service + " runs from another file at " + process->exe;
    }
    return out;
}

}  // namespace sonde
