#include "agent/resource/node_metrics.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "agent/resource/proc_files.hpp"

namespace sonde {
namespace {

constexpr double sector_bytes = 512;

double number(std::uint64_t value) { return static_cast<double>(value); }

void add_cpu(FamilyList& out, const std::string& proc) {
    const auto text = read_text(proc + "/stat");
    if (const auto ticks = parse_cpu_ticks(text)) {
        const auto per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
        const std::array<std::pair<const char*, std::uint64_t>, 7> modes{{{"user", ticks->user},
                                                                          {"nice", ticks->nice},
                                                                          {"system", ticks->system},
                                                                          {"idle", ticks->idle},
                                                                          {"iowait", ticks->iowait},
                                                                          {"interrupt", ticks->irq + ticks->softirq},
                                                                          {"steal", ticks->steal}}};
        for (const auto& [mode, value] : modes)
            out.counter("system_cpu_time_seconds_total", "CPU time of the machine by mode, over all cores.",
                        {{"cpu_mode", mode}}, number(value) / per_second);
    }
    out.gauge("system_cpu_cores", "Number of cores that are online.", {},
              static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN)));
    if (const auto running = keyed_number(text, "procs_running"))
        out.gauge("system_threads_runnable", "Number of threads that run or wait for a core.", {}, number(*running));
    if (const auto blocked = keyed_number(text, "procs_blocked"))
        out.gauge("system_threads_blocked", "Number of threads that wait for a block device.", {}, number(*blocked));
    if (const auto load = parse_load_average(read_text(proc + "/loadavg"))) {
        const auto* help = "Load average: threads that run, wait for a core, or wait for a disk.";
        out.gauge("system_cpu_load_average_1m", help, {}, load->one);
        out.gauge("system_cpu_load_average_5m", help, {}, load->five);
        out.gauge("system_cpu_load_average_15m", help, {}, load->fifteen);
    }
}

void add_memory(FamilyList& out, const std::string& proc) {
    const auto text = read_text(proc + "/meminfo");
    const auto bytes = [&](const char* key) { return keyed_number(text, key).value_or(0) * 1024; };
    if (const auto total = bytes("MemTotal"); total > 0) {
        const auto free = bytes("MemFree"), buffers = bytes("Buffers"),
                   cached = bytes("Cached") + bytes("SReclaimable");
        const auto* help = "Memory of the machine by what it is used for; the states add up to all of it.";
        const auto add = [&](const char* state, std::uint64_t value) {
            out.gauge("system_memory_usage_bytes", help, {{"system_memory_state", state}}, number(value));
        };
        add("used", total - std::min(total, free + buffers + cached));
        add("free", free);
        add("buffers", buffers);
        add("cached", cached);
        out.gauge("system_memory_limit_bytes", "Memory of the machine.", {}, number(total));
        out.gauge("system_memory_linux_available_bytes",
                  "Memory that programs can still get without swapping, by the kernel's estimate.", {},
                  number(bytes("MemAvailable")));
        const auto swap = bytes("SwapTotal"), swap_free = bytes("SwapFree");
        const auto* swap_help = "Swap space of the machine.";
        out.gauge("system_paging_usage_bytes", swap_help, {{"system_paging_state", "used"}},
                  number(swap - std::min(swap, swap_free)));
        out.gauge("system_paging_usage_bytes", swap_help, {{"system_paging_state", "free"}}, number(swap_free));
    }
    const auto vm = read_text(proc + "/vmstat");
    if (const auto major = keyed_number(vm, "pgmajfault"))
        out.counter("system_paging_faults_total", "Number of page faults that had to wait for a disk.",
                    {{"system_paging_fault_type", "major"}}, number(*major));
    if (const auto kills = keyed_number(vm, "oom_kill"))
        out.counter("system_memory_oom_kills_total", "Number of processes that the OOM killer ended.", {},
                    number(*kills));
}

void add_pressure(FamilyList& out, const std::string& proc) {
    for (const char* resource : {"cpu", "memory", "io"}) {
        const auto pressure = parse_pressure(read_text(proc + "/pressure/" + resource));
        const auto* name = "system_pressure_stalled_seconds_total";
        const auto* help = "Time in which some, or all, tasks waited for a resource (PSI).";
        if (pressure.some_us)
            out.counter(name, help, {{"resource", resource}, {"tasks", "some"}}, number(*pressure.some_us) / 1e6);
        if (pressure.full_us)
            out.counter(name, help, {{"resource", resource}, {"tasks", "full"}}, number(*pressure.full_us) / 1e6);
    }
}

std::size_t add_disks(FamilyList& out, const std::string& proc) {
    auto disks = parse_diskstats(read_text(proc + "/diskstats"));
    const auto dropped = disks.size() - std::min(disks.size(), node_devices_max);
    disks.resize(disks.size() - dropped);
    for (const auto& disk : disks) {
        const auto add = [&](const char* name, const char* help, double read, double write) {
            out.counter(name, help, {{"system_device", disk.name}, {"disk_io_direction", "read"}}, read);
            out.counter(name, help, {{"system_device", disk.name}, {"disk_io_direction", "write"}}, write);
        };
        add("system_disk_io_bytes_total", "Bytes that the device moved.", number(disk.read_sectors) * sector_bytes,
            number(disk.written_sectors) * sector_bytes);
        add("system_disk_operations_total", "Number of operations that the device completed.", number(disk.reads),
            number(disk.writes));
        add("system_disk_operation_time_seconds_total",
            "Sum of the operations' latencies; divided by their number: the mean latency.", number(disk.read_ms) / 1e3,
            number(disk.write_ms) / 1e3);
        out.counter("system_disk_io_time_seconds_total", "Time in which the device had something to do.",
                    {{"system_device", disk.name}}, number(disk.busy_ms) / 1e3);
        out.gauge("system_disk_operations_in_flight", "Number of operations that the device has not completed.",
                  {{"system_device", disk.name}}, number(disk.in_flight));
    }
    return dropped;
}

// Types whose statvfs never waits for another machine or for a program.
bool is_local_file_system(const std::string& type) {
    static const std::set<std::string> types{"ext2", "ext3", "ext4",     "xfs", "btrfs", "f2fs",
                                             "vfat", "zfs",  "bcachefs", "jfs", "tmpfs", "erofs"};
    return types.contains(type);
}

std::size_t add_file_systems(FamilyList& out, const std::string& proc) {
    std::set<std::string> seen;  // by device: one that is mounted twice is shown once
    std::size_t dropped = 0;
    for (const auto& mount : parse_mounts(read_text(proc + "/self/mountinfo"))) {
        if (!is_local_file_system(mount.type)) continue;
        if (!seen.insert(mount.type == "tmpfs" ? mount.point : mount.source).second) continue;
        struct statvfs space {};
        if (::statvfs(mount.point.c_str(), &space) != 0 || space.f_blocks == 0) continue;
        if (seen.size() > node_devices_max) {
            ++dropped;
            continue;
        }
        const auto add = [&](const char* name, const char* help, const char* state, double value) {
            out.gauge(name, help,
                      {{"system_device", mount.source},
                       {"system_filesystem_mountpoint", mount.point},
                       {"system_filesystem_type", mount.type},
                       {"system_filesystem_state", state}},
                      value);
        };
        const auto block = number(space.f_frsize);
        const auto* bytes = "system_filesystem_usage_bytes";
        const auto* bytes_help = "Space of the file system; the states add up to all of it.";
        add(bytes, bytes_help, "used", number(space.f_blocks - space.f_bfree) * block);
        add(bytes, bytes_help, "free", number(space.f_bavail) * block);
        add(bytes, bytes_help, "reserved", number(space.f_bfree - std::min(space.f_bfree, space.f_bavail)) * block);
        if (space.f_files == 0) continue;
        const auto* inodes = "system_filesystem_inodes";
        const auto* inodes_help = "Number of inodes of the file system.";
        add(inodes, inodes_help, "used", number(space.f_files - space.f_ffree));
        add(inodes, inodes_help, "free", number(space.f_ffree));
    }
    return dropped;
}

std::size_t add_network(FamilyList& out, const std::string& proc) {
    auto interfaces = parse_net_dev(read_text(proc + "/net/dev"));
    const auto dropped = interfaces.size() - std::min(interfaces.size(), node_devices_max);
    interfaces.resize(interfaces.size() - dropped);
    for (const auto& interface : interfaces) {
        const auto add = [&](const char* name, const char* help, std::uint64_t received, std::uint64_t sent) {
            const auto labels = [&](const char* direction) {
                return Labels{{"network_interface_name", interface.name}, {"network_io_direction", direction}};
            };
            out.counter(name, help, labels("receive"), number(received));
            out.counter(name, help, labels("transmit"), number(sent));
        };
        add("system_network_io_bytes_total", "Bytes that the interface moved.", interface.received_bytes,
            interface.sent_bytes);
        add("system_network_packet_count_total", "Number of packets that the interface moved.",
            interface.received_packets, interface.sent_packets);
        add("system_network_errors_total", "Number of packets with errors.", interface.received_errors,
            interface.sent_errors);
        add("system_network_packet_dropped_total", "Number of packets that the interface dropped.",
            interface.received_dropped, interface.sent_dropped);
    }
    const auto extended = read_text(proc + "/net/netstat"), basic = read_text(proc + "/net/snmp");
    const auto tcp = [&](const std::string& text, const char* prefix, const char* field, const char* name,
                         const char* help) {
        if (const auto value = protocol_number(text, prefix, field)) out.counter(name, help, {}, number(*value));
    };
    tcp(basic, "Tcp", "RetransSegs", "system_network_tcp_retransmits_total",
        "Number of TCP segments sent again, in the agent's network namespace.");
    tcp(extended, "TcpExt", "ListenOverflows", "system_network_tcp_listen_overflows_total",
        "Number of connections dropped because an accept queue was full, in the agent's network namespace.");
    tcp(extended, "TcpExt", "ListenDrops", "system_network_tcp_listen_drops_total",
        "Number of connections dropped by listening sockets for any reason, in the agent's network namespace.");
    return dropped;
}

}  // namespace

void add_node_metrics(FamilyList& out, const std::string& proc_root) {
    add_cpu(out, proc_root);
    add_memory(out, proc_root);
    add_pressure(out, proc_root);
    const auto dropped = add_disks(out, proc_root) + add_file_systems(out, proc_root) + add_network(out, proc_root);
    out.gauge("sonde_node_devices_dropped",
              "Number of disks, mounts and interfaces that are not shown because there are too many.", {},
              number(dropped));
}

}  // namespace sonde
