#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What the texts of /proc and of cgroup files say. Pure functions, any thread; what a text does not say is empty.
// Sources: proc(5), Documentation/admin-guide/iostats.rst, accounting/psi.rst, cgroup-v2.rst of the kernel.
namespace sonde {

// The file's text, at most max_bytes of it; empty: it cannot be read.
std::string read_text(const std::string& path, std::size_t max_bytes = std::size_t{256} << 10);

// The decimal number that `text` starts with, after blanks; empty where there is none or it does not fit.
std::optional<std::uint64_t> parse_number(std::string_view text);
// The number after `key` at the start of a line: "VmRSS:  12 kB", "nr_throttled 3". Units are the caller's.
std::optional<std::uint64_t> keyed_number(std::string_view text, std::string_view key);

// The "cpu" line of /proc/stat, in clock ticks since boot.
struct CpuTicks {
    std::uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
};
std::optional<CpuTicks> parse_cpu_ticks(std::string_view stat);

struct LoadAverage {
    double one = 0, five = 0, fifteen = 0;  // minutes
};
std::optional<LoadAverage> parse_load_average(std::string_view loadavg);

// Total microseconds that some, or all, tasks were stalled; `full` is missing for cpu before 5.13.
struct Pressure {
    std::optional<std::uint64_t> some_us, full_us;
};
Pressure parse_pressure(std::string_view text);

// A line of /proc/diskstats; whole counts since boot. Sectors are 512 bytes there.
struct DiskCounts {
    std::string name;
    std::uint64_t reads = 0, read_sectors = 0, read_ms = 0;
    std::uint64_t writes = 0, written_sectors = 0, write_ms = 0;
    std::uint64_t in_flight = 0, busy_ms = 0;
};
// Loop, RAM and unused devices are left out.
std::vector<DiskCounts> parse_diskstats(std::string_view text);

struct InterfaceCounts {
    std::string name;
    std::uint64_t received_bytes = 0, received_packets = 0, received_errors = 0, received_dropped = 0;
    std::uint64_t sent_bytes = 0, sent_packets = 0, sent_errors = 0, sent_dropped = 0;
};
std::vector<InterfaceCounts> parse_net_dev(std::string_view text);

// A field of /proc/net/netstat or snmp, where a line of names and one of values share a prefix: ("TcpExt",
// "ListenOverflows").
std::optional<std::uint64_t> protocol_number(std::string_view text, std::string_view prefix, std::string_view name);

struct Mount {
    std::string root;  // the part of the file system that is mounted
    std::string point;
    std::string type;
    std::string source;
    std::string super_options;
};
// /proc/self/mountinfo, octal escapes decoded.
std::vector<Mount> parse_mounts(std::string_view mountinfo);

// The path of each hierarchy in /proc/PID/cgroup; controllers: "" for v2, else the comma-separated list.
struct CgroupLine {
    std::string controllers;
    std::string path;
};
std::vector<CgroupLine> parse_cgroup_lines(std::string_view text);

}  // namespace sonde
