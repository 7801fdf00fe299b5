#include "agent/identity/process_table.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "agent/base/unique_fd.hpp"
#include "agent/identity/container.hpp"
#include "agent/identity/program.hpp"

namespace sonde {
namespace {

// A command line longer than this says nothing more about the program's name.
constexpr std::size_t read_max_bytes = 8192;
// Of what only rules look at; the table holds thousands of processes.
constexpr std::size_t kept_max_bytes = 256;

std::string read_some(const std::string& path) {
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    if (!file) return text;
    text.resize(read_max_bytes);
    std::size_t size = 0;
    while (size < text.size()) {
        const auto n = ::read(file.get(), text.data() + size, text.size() - size);
        if (n <= 0) break;
        size += static_cast<std::size_t>(n);
    }
    text.resize(size);
    return text;
}

std::vector<std::string_view> split_arguments(std::string_view text) {
    std::vector<std::string_view> arguments;
    while (!text.empty()) {
        const auto argument = text.substr(0, text.find('\0'));
        arguments.push_back(argument);
        text.remove_prefix(std::min(text.size(), argument.size() + 1));
    }
    return arguments;
}

struct Stat {
    char state = 0;  // 0: not known
    std::uint64_t start_time_ns = 0;
};

// Fields 3 and 22 of /proc/PID/stat, the latter in clock ticks since boot; the name in parentheses may hold anything.
Stat parse_stat(std::string_view text) {
    Stat stat;
    auto at = text.rfind(')');
    if (at == std::string_view::npos || at + 2 >= text.size()) return stat;
    stat.state = text[at + 2];
    for (int field = 2; field < 22 && at != std::string_view::npos; ++field) at = text.find(' ', at + 1);
    if (at == std::string_view::npos) return stat;
    std::uint64_t ticks = 0;
    std::from_chars(text.data() + at + 1, text.data() + text.size(), ticks);
    stat.start_time_ns = ticks * (1'000'000'000ULL / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
    return stat;
}

}  // namespace

ProcessPtr ProcessTable::read_proc(std::uint32_t pid) {
    const auto directory = options_.proc_root + "/" + std::to_string(pid);
    auto comm = read_some(directory + "/comm");
    if (comm.empty()) return nullptr;
    if (comm.back() == '\n') comm.pop_back();
    auto process = std::make_shared<Process>();
    process->pid = pid;
    process->comm = std::move(comm);
    std::array<char, 4096> exe{};
    const auto n = ::readlink((directory + "/exe").c_str(), exe.data(), exe.size());
    if (n > 0) process->exe.assign(exe.data(), static_cast<std::size_t>(n));
    process->start_time_ns = parse_stat(read_some(directory + "/stat")).start_time_ns;
    const auto cgroup = read_some(directory + "/cgroup");
    process->container_id = container_id_from_cgroup(cgroup);
    if (!process->container_id.empty()) process->container_name = container_names_.find(pid, process->container_id);
    process->unit = systemd_unit_from_cgroup(cgroup);
    process->cgroup = cgroup_path(cgroup).substr(0, kept_max_bytes);
    auto command_line = read_some(directory + "/cmdline");
    process->program = program_name(process->exe, split_arguments(command_line));
    while (!command_line.empty() && command_line.back() == '\0') command_line.pop_back();
    std::replace(command_line.begin(), command_line.end(), '\0', ' ');
    process->command_line = command_line.substr(0, kept_max_bytes);
    if (process->program.empty()) process->program = printable_name(process->comm);
    if (options_.redact) options_.redact(*process);
    return process;
}

// Whoever now has the number of a process that has ended; null: nobody, or still the one that is ending.
ProcessPtr ProcessTable::successor(const Entry& exited) {
    const auto stat = parse_stat(read_some(options_.proc_root + "/" + std::to_string(exited.pid) + "/stat"));
    if (stat.state == 0 || stat.state == 'Z' || stat.state == 'X') return nullptr;
    const auto known_start_ns = exited.process ? exited.process->start_time_ns : 0;
    return known_start_ns != 0 && known_start_ns == stat.start_time_ns ? nullptr : read_proc(exited.pid);
}

ProcessTable::Entry* ProcessTable::touch(std::uint32_t pid) {
    const auto at = by_pid_.find(pid);
    if (at == by_pid_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, at->second);
    return &entries_.front();
}

void ProcessTable::store(std::uint32_t pid, ProcessPtr process, bool read) {
    auto* known = touch(pid);
    if (known == nullptr) {
        if (entries_.size() >= options_.max_processes && !entries_.empty()) {
            if (!entries_.back().exited)
                evictions_.store(evictions_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
            by_pid_.erase(entries_.back().pid);
            entries_.pop_back();  // /proc can be asked again
        }
        known = &entries_.emplace_front();
        known->pid = pid;
        by_pid_.emplace(pid, entries_.begin());
    }
    known->process = std::move(process);
    known->read = read;
    known->exited = false;
}

ProcessPtr ProcessTable::find(std::uint32_t pid) {
    const auto* known = touch(pid);
    if (known != nullptr && ((known->read && !known->exited) || !options_.read_proc)) return known->process;
    if (!options_.read_proc) return nullptr;
    auto found = known != nullptr && known->exited ? successor(*known) : read_proc(pid);
    const bool gone = found == nullptr;
    if (gone && (known == nullptr || known->exited)) return known != nullptr ? known->process : nullptr;
    if (gone) found = known->process;  // not asked again
    store(pid, found, true);
    return found;
}

void ProcessTable::on_exec(std::uint32_t pid, std::uint32_t, std::string_view comm, std::string_view filename) {
    auto process = std::make_shared<Process>();
    process->pid = pid;
    process->comm = comm;
    process->exe = filename;
    process->program = program_name(filename, {});
    if (process->program.empty()) process->program = printable_name(comm);
    if (options_.redact) options_.redact(*process);
    store(pid, std::move(process), false);
}

void ProcessTable::on_exit(std::uint32_t pid) {
    const auto at = by_pid_.find(pid);
    if (at == by_pid_.end() || at->second->exited) return;
    at->second->exited = true;
    at->second->exit_number = ++exits_;
    exited_.push_back({pid, exits_});
    if (exited_.size() <= options_.max_exited) return;
    const auto oldest = exited_.front();
    exited_.pop_front();
    // a new process may have taken the number since
    const auto gone = by_pid_.find(oldest.pid);
    if (gone == by_pid_.end() || !gone->second->exited || gone->second->exit_number != oldest.number) return;
    entries_.erase(gone->second);
    by_pid_.erase(gone);
}

void ProcessTable::read_again() {
    if (!options_.read_proc) return;
    for (auto& entry : entries_) entry.read = false;
}

void ProcessTable::put(ProcessPtr process) {
    if (!process) return;
    const auto pid = process->pid;
    store(pid, std::move(process), true);
}

}  // namespace sonde
