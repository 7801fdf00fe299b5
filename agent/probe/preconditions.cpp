#include "agent/probe/preconditions.hpp"

#include <linux/capability.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

namespace sonde {
namespace {

std::string read_file(const char* path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::uint64_t effective_capabilities() {
    const auto status = read_file("/proc/self/status");
    const auto at = status.find("CapEff:");
    return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + 7, nullptr, 16);
}

}  // namespace

// CAP_SYS_ADMIN implies the finer ones (capabilities(7)).
Status check_privilege() {
    const auto have = effective_capabilities();
    const auto has = [&](int bit) { return ((have >> bit) & 1) != 0; };
    const bool admin = has(CAP_SYS_ADMIN);
    std::string missing;
    const auto need = [&](int bit, const char* name) {
        if (has(bit) || (admin && bit != CAP_NET_ADMIN)) return;
        missing += missing.empty() ? name : std::string(", ") + name;
    };
    need(CAP_BPF, "CAP_BPF");
    need(CAP_PERFMON, "CAP_PERFMON");
    need(CAP_NET_ADMIN, "CAP_NET_ADMIN");
    if (missing.empty()) return done();
    return fail("cannot load the probes without " + missing, "run sonde as root, or give it these capabilities");
}

bool scheduler_clock_is_stable() {
    const auto source = read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    for (const std::string_view unstable : {"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"})
        if (std::string_view(source).substr(0, source.find('\n')) == unstable) return false;
    return !source.empty();
}

std::vector<std::string> cgroup2_mounts_in(std::string_view mountinfo) {
    // "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw". From within a cgroup namespace the host's root,
    // mounted into a container, is "/../..": so many steps up as the namespace's own root is down.
    const auto leads_up = [](std::string_view root) {
        while (root.starts_with("/..") && (root.size() == 3 || root[3] == '/')) root.remove_prefix(3);
        return root.empty();
    };
    std::vector<std::string> found;
    std::istringstream lines{std::string(mountinfo)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string id, parent, device, root, mount_point, word, type;
        words >> id >> parent >> device >> root >> mount_point;
        while (words >> word && word != "-") {
        }
        if (words >> type && type == "cgroup2" && (root == "/" || leads_up(root))) found.push_back(mount_point);
    }
    return found;
}

std::string cgroup2_root_in(std::string_view mountinfo) {
    const auto mounts = cgroup2_mounts_in(mountinfo);
    return mounts.empty() ? std::string() : mounts.front();
}

// A container with a cgroup namespace of its own has its own cgroup on /sys/fs/cgroup, as "/": what is attached there
// sees that container alone. Only the root of all has no type (cgroup-v2.rst, "cgroup.type").
std::string cgroup2_root() {
    for (auto& mount : cgroup2_mounts_in(read_file("/proc/self/mountinfo")))
        if (::access((mount + "/cgroup.procs").c_str(), F_OK) == 0 &&
            ::access((mount + "/cgroup.type").c_str(), F_OK) != 0)
            return std::move(mount);
    return {};
}

}  // namespace sonde
