#include "agent/privilege/capabilities.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace sonde {
namespace {

// Attaching to a cgroup asks for CAP_NET_ADMIN once. The others go on being asked for: maps are read through bpf(2)
// (which before Linux 6.5 wants CAP_BPF for every command where unprivileged BPF is off), probes on TLS libraries
// are attached as programs begin, and those programs are other users'.
constexpr std::array<CapabilityNeed, 5> needs{{
    {CAP_BPF, "CAP_BPF", "nothing can be loaded", true, true, true},
    {CAP_PERFMON, "CAP_PERFMON", "no tracing program can be loaded", true, true, true},
    {CAP_NET_ADMIN, "CAP_NET_ADMIN", "no packet program can be attached", true, false, false},
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "executables and TLS libraries of other users' processes", false, true, false},
    {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "libraries and logs that other users alone may read", false, true,
     false},
}};

// Kept where something asks for them (agent/privilege/privileges.hpp).
constexpr std::array<std::pair<unsigned, std::string_view>, 3> others{
    {{CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}, {CAP_CHOWN, "CAP_CHOWN"}, {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}}};

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

}  // namespace

std::span<const CapabilityNeed> capability_needs() { return needs; }

std::uint64_t kept_capabilities() {
    std::uint64_t mask = 0;
    for (const auto& need : needs)
        if (need.kept) mask |= bit(need.bit);
    return mask;
}

std::uint64_t capabilities_in(std::string_view status, std::string_view line) {
    const auto at = status.find(line);
    if (at == std::string_view::npos) return 0;
    status.remove_prefix(at + line.size());
    while (!status.empty() && (status[0] == ' ' || status[0] == '\t')) status.remove_prefix(1);
    std::uint64_t mask = 0;
    std::from_chars(status.data(), status.data() + status.size(), mask, 16);
    return mask;
}

std::uint64_t effective_capabilities() {
    std::ifstream file("/proc/thread-self/status");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    return capabilities_in(text, "CapEff:");
}

bool has_capability(unsigned number) { return (effective_capabilities() & bit(number)) != 0; }

std::string capability_names(std::uint64_t mask) {
    std::string text;
    const auto add = [&text](std::string_view name) { (text += text.empty() ? "" : ", ") += name; };
    for (const auto& need : needs)
        if ((mask & bit(need.bit)) != 0) add(need.name);
    for (const auto& [number, name] : others)
        if ((mask & bit(number)) != 0) add(name);
    for (const auto& need : needs) mask &= ~bit(need.bit);
    for (const auto& [number, name] : others) mask &= ~bit(number);
    for (unsigned number = 0; number < 64; ++number)
        if ((mask & bit(number)) != 0) add("capability " + std::to_string(number));
    return text.empty() ? "none" : text;
}

// capset(2) by hand: libcap's wrapper would do the same for this one thread.
Status keep_capabilities(std::uint64_t mask) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0)
        return fail(std::string("cannot read this thread's capabilities: ") + std::strerror(errno));
    for (std::size_t half = 0; half < sets.size(); ++half) {
        const auto part = static_cast<std::uint32_t>(mask >> (32 * half));
        sets[half].permitted &= part;
        sets[half].effective = sets[half].permitted;
        sets[half].inheritable = 0;
    }
    if (::syscall(SYS_capset, &header, sets.data()) != 0)
        return fail(std::string("cannot give up capabilities: ") + std::strerror(errno));
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return fail(std::string("cannot give up ambient capabilities: ") + std::strerror(errno));
    return done();
}

bool needs_dac_override(const std::string& directory) {
    std::error_code error;
    auto path = std::filesystem::absolute(directory, error);
    if (error) return false;
    struct stat info {};
    while (::stat(path.c_str(), &info) != 0) {
        if (!path.has_relative_path()) return false;
        path = path.parent_path();
    }
    if (!S_ISDIR(info.st_mode)) return false;  // no capability makes a directory in a file
    constexpr mode_t owner_creates = S_IWUSR | S_IXUSR;
    constexpr mode_t others_create = S_IWOTH | S_IXOTH;
    if (info.st_uid == ::geteuid()) return (info.st_mode & owner_creates) != owner_creates;
    return (info.st_mode & others_create) != others_create;
}

}  // namespace sonde
