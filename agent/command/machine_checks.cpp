#include "agent/command/machine_checks.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "agent/base/unique_fd.hpp"
#include "agent/command/terminal_text.hpp"
#include "agent/privilege/capabilities.hpp"
#include "agent/probe/preconditions.hpp"
#include "agent/probe/probe.hpp"

namespace sonde {
namespace {

// Empty: not readable.
std::string read_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Check check_kernel() {
    utsname system{};
    ::uname(&system);
    return {"kernel", CheckState::ok, std::string(system.release) + " " + system.machine, {}};
}

constexpr unsigned cap_sys_admin = 21;  // include/uapi/linux/capability.h

Check check_privileges(const std::string& root) {
    const auto status = read_file(root + "/proc/self/status");
    if (status.find("CapEff:") == std::string::npos)
        return {"privileges", CheckState::warn, "/proc/self/status does not tell them", {}};
    const auto effective = capabilities_in(status, "CapEff:");
    const auto has = [effective](unsigned bit) { return (effective >> bit & 1) != 0; };
    std::string missing;
    bool fatal = false;
    for (const auto& need : capability_needs()) {
        if (has(need.bit) || (need.implied_by_admin && has(cap_sys_admin))) continue;
        ((missing += missing.empty() ? "" : ", ") += need.name) += " (" + std::string(need.without) + ")";
        fatal = fatal || need.required;
    }
    if (missing.empty()) return {"privileges", CheckState::ok, "all that sonde uses", {}};
    return {"privileges", fatal ? CheckState::problem : CheckState::warn, "missing: " + missing,
            "run sonde as root, or give it these capabilities"};
}

Check check_btf(const std::string& root) {
    const auto path = root + "/sys/kernel/btf/vmlinux";
    if (::access(path.c_str(), R_OK) == 0)
        return {"btf", CheckState::ok, "the kernel's types are in /sys/kernel/btf", {}};
    return {"btf", CheckState::problem, "/sys/kernel/btf/vmlinux cannot be read: no type information",
            "use a kernel with CONFIG_DEBUG_INFO_BTF, and mount /sys"};
}

Check check_cgroup2(const std::string& root) {
    const auto at = cgroup2_root_in(read_file(root + "/proc/self/mountinfo"));
    if (!at.empty()) return {"cgroup2", CheckState::ok, "mounted on " + at, {}};
    return {"cgroup2", CheckState::problem, "cgroup v2 is not mounted",
            "mount it: mount -t cgroup2 none /sys/fs/cgroup/unified"};
}

Check check_lockdown(const std::string& root) {
    const auto text = read_file(root + "/sys/kernel/security/lockdown");
    const auto open = text.find('['), close = text.find(']');
    if (open == std::string::npos || close == std::string::npos)
        return {"lockdown", CheckState::ok, "not to be seen (securityfs is not mounted, or there is none)", {}};
    const auto mode = text.substr(open + 1, close - open - 1);
    if (mode == "confidentiality")
        return {"lockdown", CheckState::problem, "confidentiality: the kernel lets no program read its memory",
                "start the kernel with lockdown=integrity"};
    return {"lockdown", CheckState::ok, mode, {}};
}

Check check_io_uring(const std::string& root) {
    const auto switched = read_file(root + "/proc/sys/kernel/io_uring_disabled");  // from Linux 6.6 on
    const char* todo = "nothing has to be done; with it the file sink costs less CPU";
    if (!switched.empty() && switched[0] == '2')
        return {"io_uring", CheckState::warn, "switched off (kernel.io_uring_disabled=2): files are written by pwrite",
                todo};
    io_uring_params parameters{};
    const UniqueFd ring(static_cast<int>(::io_uring_setup(1, &parameters)));
    // 0 and up: a descriptor; liburing gives the negative error otherwise
    if (ring) return {"io_uring", CheckState::ok, "files are written through it", {}};
    return {"io_uring", CheckState::warn, "not permitted here: files are written by pwrite", todo};
}

Check check_clock() {
    timex state{};
    if (::adjtimex(&state) == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
        return {"clock", CheckState::warn, "not synchronised: times of day may differ from other machines'",
                "run an NTP client (chrony, systemd-timesyncd)"};
    return {"clock", CheckState::ok, "synchronised", {}};
}

}  // namespace

std::vector<Check> check_machine(const std::string& root) {
    return {check_kernel(),       check_privileges(root), check_btf(root), check_cgroup2(root),
            check_lockdown(root), check_io_uring(root),   check_clock()};
}

Check check_events_directory(const std::string& directory) {
    const char* elsewhere = "free some space, change its permissions, or choose another directory with --events";
    const auto path = directory + "/.sonde-doctor-" + std::to_string(::getpid());
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file)
        return {"events", CheckState::problem, "cannot write to " + directory + ": " + std::strerror(errno), elsewhere};
    // a full disk often still takes a file, but no block
    const std::array<char, 4096> block{};
    const bool written = ::write(file.get(), block.data(), block.size()) == static_cast<ssize_t>(block.size()) &&
                         ::fsync(file.get()) == 0;
    const int error = errno;
    ::unlink(path.c_str());
    if (!written)
        return {"events", CheckState::problem, "cannot write to " + directory + ": " + std::strerror(error), elsewhere};
    struct statvfs space {};
    if (::statvfs(directory.c_str(), &space) != 0 || space.f_blocks == 0)
        return {"events", CheckState::ok, "a test write to " + directory + " arrived", {}};
    const auto free_bytes = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
    const auto share = static_cast<double>(space.f_bavail) / static_cast<double>(space.f_blocks);
    const auto text = "a test write to " + directory + " arrived; " + readable_bytes(free_bytes) + " (" +
                      readable_percent(100 * share) + "%) free";
    if (share < 0.05) return {"events", CheckState::warn, text, "free some space soon"};
    return {"events", CheckState::ok, text, {}};
}

}  // namespace sonde
