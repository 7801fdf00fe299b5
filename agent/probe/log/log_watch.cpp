#include "agent/probe/log/log_watch.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "agent/probe/tls/mapped_files.hpp"

namespace sonde {
namespace {

constexpr std::size_t tasks_max = 4096;
constexpr std::size_t told_max = 65536;
constexpr std::size_t plans_max = 1024;

std::string read_text(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string proc(std::uint32_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

// Field 4 of /proc/PID/stat, behind the name, which may hold anything; 0: gone.
std::uint32_t parent_of(std::uint32_t pid) {
    const auto text = read_text(proc(pid, "stat"));
    const auto end = text.rfind(')');
    if (end == std::string::npos || end + 4 >= text.size()) return 0;
    return static_cast<std::uint32_t>(std::strtoul(text.c_str() + end + 4, nullptr, 10));
}

std::string program_of(std::uint32_t pid) {
    std::string path(4096, '\0');
    const auto n = ::readlink(proc(pid, "exe").c_str(), path.data(), path.size());
    path.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return path;
}

bool may_write_by(const std::string& name) {
    const auto base = name.substr(name.rfind('/') + 1);
    return base.starts_with("libc.so") || base.starts_with("libc-") || base.starts_with("ld-musl-");
}

}  // namespace

LogWatch::LogWatch(LogWatchHooks hooks, LogWatchOptions options)
    : hooks_(std::move(hooks)),
      options_(std::move(options)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

LogWatch::~LogWatch() = default;

void LogWatch::process_began(std::uint32_t pid) {
    // exec takes the old image's probes with it
    if (told_.erase(pid) > 0 || !options_.processes.empty()) push(Task::began, pid);
}

void LogWatch::process_ended(std::uint32_t pid) {
    told_.erase(pid);
    push(Task::ended, pid);
}

void LogWatch::process_serves(std::uint32_t pid) {
    if (pid == options_.self_pid || told_.contains(pid)) return;
    if (told_.size() >= told_max) told_.clear();  // ends that were lost
    told_.insert(pid);
    push(Task::serves, pid);
}

// A full list forgets the oldest: a server that was missed is told again only when it starts anew.
void LogWatch::push(Task task, std::uint32_t pid) {
    const std::lock_guard lock(mutex_);
    if (tasks_.size() >= tasks_max) tasks_.pop_front();
    tasks_.emplace_back(task, pid);
    changed_.notify_one();
}

LogWatchStats LogWatch::stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
}

bool LogWatch::named(std::uint32_t pid) const {
    auto comm = read_text(proc(pid, "comm"));
    if (!comm.empty() && comm.back() == '\n') comm.pop_back();
    return std::find(options_.processes.begin(), options_.processes.end(), comm) != options_.processes.end();
}

void LogWatch::run(const std::stop_token& stop) {
    ::prctl(PR_SET_NAME, "logs");
    if (!options_.processes.empty())
        for (const auto pid : running_processes())
            if (named(pid)) watch(pid);
    auto check_at = Clock::now() + options_.check_every;
    while (!stop.stop_requested()) {
        std::unique_lock lock(mutex_);
        changed_.wait_until(lock, stop, check_at, [this] { return !tasks_.empty(); });
        const auto tasks = std::exchange(tasks_, {});
        lock.unlock();
        for (const auto& [task, pid] : tasks) {
            if (task == Task::serves) serves(pid);
            if (task == Task::ended) dismiss(pid);
            if (task == Task::began) {
                dismiss(pid);
                if (named(pid)) watch(pid);
            }
        }
        if (Clock::now() >= check_at) {
            check_at = Clock::now() + options_.check_every;
            check_idle();
        }
    }
}

void LogWatch::serves(std::uint32_t pid) {
    watch(pid);
    const auto parent = parent_of(pid);
    const auto program = program_of(pid);
    if (parent <= 1 || program.empty()) return;
    // a manager's workers, and the manager, which logs for them
    for (const auto other : running_processes())
        if (other != pid && (other == parent || parent_of(other) == parent) && program_of(other) == program)
            watch(other);
}

void LogWatch::refuse(const std::string& why) {
    const std::lock_guard lock(mutex_);
    ++stats_.refused;
    stats_.last_refusal = why;
}

const std::vector<LogProbePoint>* LogWatch::plan_of(FileId id, const std::string& path) {
    if (const auto known = plans_.find(id); known != plans_.end()) return known->second ? &*known->second : nullptr;
    const auto elf = ElfFile::open(path);
    if (!elf) return nullptr;  // it may have been on its way out: looked at again
    if (plans_.size() >= plans_max) plans_.clear();
    const auto& plan = plans_.emplace(id, plan_log_probes(*elf)).first->second;
    return plan ? &*plan : nullptr;
}

void LogWatch::watch(std::uint32_t pid) {
    if (pid == options_.self_pid || watched_.contains(pid)) return;
    if (watched_.size() >= options_.max_processes) return refuse("too many processes");
    Watched found;
    const auto program = program_of(pid);
    // the program itself first: where it writes by itself, its libraries do not count
    auto files = mapped_files(pid);
    std::stable_partition(files.begin(), files.end(), [&](const MappedFile& f) { return f.name == program; });
    for (const auto& file : files) {
        if (file.name != program && !may_write_by(file.name)) continue;
        const auto* plan = plan_of({file.device, file.inode}, file.path);
        if (plan == nullptr) continue;
        for (const auto& point : *plan) found.probes.push_back({file.path, point, nullptr, 0, {}});
        if (writes_by_itself(*plan)) break;
    }
    if (found.probes.empty()) return refuse("process " + std::to_string(pid) + " has no known function that writes");
    if (!hooks_.admit(pid)) return refuse("the kernel's map of watched processes is full");
    std::size_t attached = 0;
    for (auto& probe : found.probes) {
        auto link = hooks_.attach(pid, probe.path, probe.point);
        if (!link) {
            refuse(link.error().message());
            continue;
        }
        probe.attached = std::move(*link);
        ++attached;
    }
    std::erase_if(found.probes, [](const Probe& probe) { return probe.attached == nullptr; });
    if (attached == 0) return hooks_.dismiss(pid);
    watched_.emplace(pid, std::move(found));
    const std::lock_guard lock(mutex_);
    stats_.processes = watched_.size();
    stats_.probes += attached;
}

void LogWatch::dismiss(std::uint32_t pid) {
    const auto at = watched_.find(pid);
    if (at == watched_.end()) return;
    const auto attached =
        static_cast<std::size_t>(std::count_if(at->second.probes.begin(), at->second.probes.end(),
                                               [](const Probe& probe) { return probe.attached != nullptr; }));
    watched_.erase(at);
    hooks_.dismiss(pid);
    const std::lock_guard lock(mutex_);
    stats_.processes = watched_.size();
    stats_.probes -= std::min(stats_.probes, attached);
}

void LogWatch::check_idle() {
    const auto now = Clock::now();
    std::size_t attached = 0;
    for (auto& [pid, process] : watched_) {
        const auto counts = hooks_.counts(pid);
        for (auto& probe : process.probes) {
            const auto call = probe.point.call;
            const bool rare = call == SONDE_LOG_CALL_WRITEV || call == SONDE_LOG_CALL_PWRITE;
            if (probe.attached && rare && counts.lines[call] == 0 &&
                counts.hits[call] - probe.hits_before >= options_.idle_calls) {
                probe.attached.reset();
                probe.again = now + options_.look_again;
            } else if (!probe.attached && now >= probe.again) {
                probe.hits_before = counts.hits[call];
                probe.again = now + options_.look_again;
                if (auto link = hooks_.attach(pid, probe.path, probe.point)) probe.attached = std::move(*link);
            }
            attached += probe.attached ? 1 : 0;
        }
    }
    const std::lock_guard lock(mutex_);
    stats_.probes = attached;
}

}  // namespace sonde
