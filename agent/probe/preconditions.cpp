#include "agent/probe/preconditions.hpp"

#include <linux/capability.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>

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

std::string cgroup2_root_in(std::string_view mountinfo) {
    // "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw": the root of the tree only, not a part of it
    std::istringstream lines{std::string(mountinfo)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string id, parent, device, root, mount_point, word, type;
        words >> id >> parent >> device >> root >> mount_point;
        while (words >> word && word != "-") {
        }
        if (words >> type && type == "cgroup2" && root == "/") return mount_point;
    }
    return {};
}

std::string cgroup2_root() { return cgroup2_root_in(read_file("/proc/self/mountinfo")); }

}  // namespace sonde
