#include "agent/probe/tls/tls_watch.hpp"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace sonde {
namespace {

constexpr std::size_t looks_max = 1024;
constexpr unsigned looks_per_second = 100;
constexpr std::size_t plain_max = 65536;
constexpr std::size_t processes_max = 65536;

std::uint64_t device_of(const struct stat& info) {
    return std::uint64_t{gnu_dev_major(info.st_dev)} << 32 | gnu_dev_minor(info.st_dev);
}

}  // namespace

std::vector<std::string> TlsWatchOptions::standard_libraries() {
    constexpr std::array<const char*, 6> directories{
        "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib64", "/lib"};
    constexpr std::array<const char*, 3> names{"libssl.so.3", "libssl.so.1.1", "libgnutls.so.30"};
    std::vector<std::string> found;
    for (const auto* directory : directories)
        for (const auto* name : names) {
            std::error_code error;
            const auto path = std::filesystem::path(directory) / name;
            if (std::filesystem::exists(path, error)) found.push_back(path.string());
        }
    return found;
}

TlsWatch::TlsWatch(TlsWatchHooks hooks, TlsWatchOptions options)
    : hooks_(std::move(hooks)),
      options_(std::move(options)),
      sweep_at_(Clock::now() + options_.sweep_every),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

TlsWatch::~TlsWatch() = default;

void TlsWatch::process_began(std::uint32_t pid) {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    schedule({now + options_.first_look, pid, false});
    schedule({now + options_.second_look, pid, false});
}

void TlsWatch::process_ended(std::uint32_t pid) {
    const std::lock_guard lock(mutex_);
    speakers_.erase(pid);
    if (users_.erase(pid) == 0) return;
    sweep_at_ = std::min(sweep_at_, Clock::now() + options_.sweep_after);
    changed_.notify_all();
}

void TlsWatch::process_speaks_tls(std::uint32_t pid) {
    const std::lock_guard lock(mutex_);
    if (users_.contains(pid) || speakers_.size() >= processes_max || !speakers_.insert(pid).second) return;
    schedule({Clock::now(), pid, true});
}

// Sorted by time; a full list becomes one look at all. Under the lock.
void TlsWatch::schedule(Look look) {
    if (looks_.size() >= looks_max) {
        sweep_at_ = std::min(sweep_at_, look.due);
        return;
    }
    const auto at = std::upper_bound(looks_.begin(), looks_.end(), look,
                                     [](const Look& a, const Look& b) { return a.due < b.due; });
    looks_.insert(at, look);
    changed_.notify_all();
}

bool TlsWatch::within_budget(Clock::time_point now) {
    if (now - budget_since_ >= std::chrono::seconds(1)) {
        budget_since_ = now;
        budget_used_ = 0;
    }
    return budget_used_++ < looks_per_second;
}

bool TlsWatch::wait_first_look(std::chrono::milliseconds timeout_ms) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout_ms, [this] { return first_look_done_; });
}

std::vector<TlsFileState> TlsWatch::files() const {
    const std::lock_guard lock(mutex_);
    std::vector<TlsFileState> states;
    for (const auto& [id, file] : files_) states.push_back(file.state);
    return states;
}

void TlsWatch::run(const std::stop_token& stop) {
    ::prctl(PR_SET_NAME, "tls");
    look_at_standing();
    for (const auto pid : running_processes()) {
        if (stop.stop_requested()) return;
        look_at(pid, false);
    }
    std::unique_lock lock(mutex_);
    first_look_done_ = true;
    changed_.notify_all();
    while (!stop.stop_requested()) {
        const auto due = looks_.empty() ? sweep_at_ : std::min(sweep_at_, looks_.front().due);
        if (const auto now = Clock::now(); now < due) {
            const auto known = looks_.size();
            changed_.wait_until(lock, stop, due, [&] { return looks_.size() != known || sweep_at_ < due; });
            continue;
        }
        if (sweep_at_ <= Clock::now()) {
            sweep_at_ = Clock::now() + options_.sweep_every;
            lock.unlock();
            sweep();
            lock.lock();
            continue;
        }
        const auto look = looks_.front();
        looks_.pop_front();
        if (!within_budget(Clock::now())) {
            sweep_at_ = std::min(sweep_at_, Clock::now() + std::chrono::seconds(1));
            continue;
        }
        lock.unlock();
        look_at(look.pid, look.thorough);
        lock.lock();
    }
}

void TlsWatch::look_at_standing() {
    for (const auto& path : options_.standing) {
        struct stat info {};
        if (::stat(path.c_str(), &info) != 0) continue;
        consider({device_of(info), info.st_ino, path, path}, true, false);
    }
}

void TlsWatch::look_at(std::uint32_t pid, bool thorough) {
    const auto mapped = mapped_files(pid);
    for (const auto& file : mapped) consider(file, false, thorough);
    const std::lock_guard lock(mutex_);
    const bool uses = std::any_of(mapped.begin(), mapped.end(), [this](const MappedFile& file) {
        return files_.contains({file.device, file.inode});
    });
    if (uses && users_.size() < processes_max) users_.insert(pid);
}

void TlsWatch::consider(const MappedFile& mapped, bool standing, bool thorough) {
    const FileId id{mapped.device, mapped.inode};
    {
        const std::lock_guard lock(mutex_);
        if (files_.contains(id)) return;
    }
    if (plain_.contains(id) && !thorough) return;
    const auto elf = ElfFile::open(mapped.path);
    const auto plan = elf ? plan_probes(*elf) : std::nullopt;
    if (!plan) {
        // a file that could not be opened may have been on its way out: it is looked at again
        if (plain_.size() >= plain_max) plain_.clear();
        if (elf) plain_.emplace(id, true);
        return;
    }
    auto attached = hooks_.attach(mapped.path, *plan);
    File file{{mapped.name, plan->kind, static_cast<bool>(attached), {}}, nullptr, standing};
    file.state.detail =
        attached ? std::to_string(plan->points.size()) + " probes" : std::string(attached.error().message());
    if (attached) file.probes = std::move(*attached);
    const std::lock_guard lock(mutex_);
    files_.emplace(id, std::move(file));
}

// A fork maps what its parent had without any exec: only a look at all tells that the last user is gone.
void TlsWatch::sweep() {
    const auto pids = running_processes();
    std::unordered_set<std::uint32_t> alive(pids.begin(), pids.end());
    std::map<FileId, bool> used;
    for (const auto pid : pids) {
        for (const auto& file : mapped_files(pid)) used.emplace(FileId{file.device, file.inode}, true);
        look_at(pid, false);
    }
    std::vector<std::shared_ptr<void>> gone;  // detaching waits for the kernel: not under the lock
    {
        const std::lock_guard lock(mutex_);
        for (auto at = files_.begin(); at != files_.end();) {
            if (at->second.standing || used.contains(at->first)) {
                ++at;
                continue;
            }
            gone.push_back(std::move(at->second.probes));
            at = files_.erase(at);
        }
        const auto dead = [&](std::uint32_t pid) { return !alive.contains(pid); };
        std::erase_if(users_, dead);
        std::erase_if(speakers_, dead);
    }
    hooks_.forget_dead();
}

}  // namespace sonde
