#include "agent/identity/process_table.hpp"

#include <fcntl.h>
#include <unistd.h>

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

// Field 22 of /proc/PID/stat, in clock ticks since boot; the name in parentheses may hold anything.
std::uint64_t start_time_ns(std::string_view stat) {
    auto at = stat.rfind(')');
    if (at == std::string_view::npos) return 0;
    for (int field = 2; field < 22 && at != std::string_view::npos; ++field) at = stat.find(' ', at + 1);
    if (at == std::string_view::npos) return 0;
    std::uint64_t ticks = 0;
    std::from_chars(stat.data() + at + 1, stat.data() + stat.size(), ticks);
    return ticks * (1'000'000'000ULL / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

}  // namespace

ProcessPtr ProcessTable::read_proc(std::uint32_t pid) const {
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
    process->start_time_ns = start_time_ns(read_some(directory + "/stat"));
    const auto cgroup = read_some(directory + "/cgroup");
    process->container_id = container_id_from_cgroup(cgroup);
    process->unit = systemd_unit_from_cgroup(cgroup);
    const auto command_line = read_some(directory + "/cmdline");
    process->program = program_name(process->exe, split_arguments(command_line));
    if (process->program.empty()) process->program = process->comm;
    return process;
}

ProcessTable::Entry& ProcessTable::entry(std::uint32_t pid) {
    if (const auto at = entries_.find(pid); at != entries_.end()) return at->second;
    if (entries_.size() >= options_.max_processes) {
        evictions_.store(evictions_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        entries_.erase(entries_.begin());  // /proc can be asked again
    }
    return entries_[pid];
}

ProcessPtr ProcessTable::find(std::uint32_t pid) {
    auto& known = entry(pid);
    if (!known.read && !known.exited && options_.read_proc) {
        known.read = true;
        if (auto process = read_proc(pid)) known.process = std::move(process);
    }
    return known.process;
}

void ProcessTable::on_exec(std::uint32_t pid, std::uint32_t, std::string_view comm, std::string_view filename) {
    auto process = std::make_shared<Process>();
    process->pid = pid;
    process->comm = comm;
    process->exe = filename;
    process->program = program_name(filename, {});
    auto& known = entry(pid);
    known.process = std::move(process);
    known.read = known.exited = false;
}

void ProcessTable::on_exit(std::uint32_t pid) {
    const auto at = entries_.find(pid);
    if (at == entries_.end() || at->second.exited) return;
    at->second.exited = true;
    exited_.push_back(pid);
    if (exited_.size() <= options_.max_exited) return;
    const auto oldest = exited_.front();
    exited_.pop_front();
    // a new process may have taken the number since
    if (const auto gone = entries_.find(oldest); gone != entries_.end() && gone->second.exited) entries_.erase(gone);
}

void ProcessTable::put(ProcessPtr process) {
    auto& known = entry(process->pid);
    known.process = std::move(process);
    known.read = true;
    known.exited = false;
}

}  // namespace sonde
