#include <gtest/gtest.h>
#include <unistd.h>

#include "agent/resource/proc_files.hpp"
#include "agent/resource/runtime.hpp"

namespace sonde {
namespace {

TEST(ProcFiles, Numbers) {
    EXPECT_EQ(parse_number("42\n"), 42);
    EXPECT_EQ(parse_number("  7 kB"), 7);
    EXPECT_FALSE(parse_number("max\n"));
    EXPECT_FALSE(parse_number("-1"));
    EXPECT_FALSE(parse_number("99999999999999999999999"));
    EXPECT_EQ(keyed_number("VmPeak:\t 9 kB\nVmRSS:\t  123 kB\n", "VmRSS"), 123);
    EXPECT_EQ(keyed_number("nr_periods 3\nnr_throttled 2\n", "nr_throttled"), 2);
    EXPECT_FALSE(keyed_number("oom_kill_disable 0\n", "oom_kill"));
    EXPECT_EQ(keyed_number("oom_kill_disable 0\noom_kill 4", "oom_kill"), 4);
}

TEST(ProcFiles, Stat) {
    const auto ticks = parse_cpu_ticks("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n");
    ASSERT_TRUE(ticks);
    EXPECT_EQ(ticks->user, 1);
    EXPECT_EQ(ticks->steal, 8);
    EXPECT_FALSE(parse_cpu_ticks("cpu0 1 2 3 4\n"));
    const auto load = parse_load_average("0.52 1.25 3 1/234 999\n");
    ASSERT_TRUE(load);
    EXPECT_DOUBLE_EQ(load->five, 1.25);
    EXPECT_FALSE(parse_load_average("0.1 x"));
}

TEST(ProcFiles, Pressure) {
    const auto pressure = parse_pressure(
        "some avg10=1.00 avg60=0.00 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=56\n");
    EXPECT_EQ(pressure.some_us, 1234);
    EXPECT_EQ(pressure.full_us, 56);
    EXPECT_FALSE(parse_pressure("some total=\n").some_us);
}

TEST(ProcFiles, Disks) {
    const auto disks = parse_diskstats(
        "   7       0 loop0 5 0 40 1 0 0 0 0 0 1 1 0 0 0 0\n"
        " 254       0 vda 100 2 800 30 200 5 1600 60 1 70 90 0 0 0 0 3 4\n"
        " 253       0 zram0 0 0 0 0 0 0 0 0 0 0 0\n torn 1");
    ASSERT_EQ(disks.size(), 1);
    EXPECT_EQ(disks[0].name, "vda");
    EXPECT_EQ(disks[0].read_sectors, 800);
    EXPECT_EQ(disks[0].write_ms, 60);
    EXPECT_EQ(disks[0].in_flight, 1);
    EXPECT_EQ(disks[0].busy_ms, 70);
}

TEST(ProcFiles, Network) {
    const auto interfaces = parse_net_dev(
        "Inter-|   Receive  |  Transmit\n face |bytes    packets errs\n"
        "    lo: 100 2 3 4 0 0 0 0 500 6 7 8 0 0 0 0\n  eth0:1 2 3\n");
    ASSERT_EQ(interfaces.size(), 1);
    EXPECT_EQ(interfaces[0].name, "lo");
    EXPECT_EQ(interfaces[0].received_dropped, 4);
    EXPECT_EQ(interfaces[0].sent_packets, 6);
    const std::string_view text = "TcpExt: A ListenOverflows B\nTcpExt: 1 22 3\nIpExt: A\nIpExt: 9\n";
    EXPECT_EQ(protocol_number(text, "TcpExt", "ListenOverflows"), 22);
    EXPECT_EQ(protocol_number(text, "IpExt", "A"), 9);
    EXPECT_FALSE(protocol_number(text, "TcpExt", "Missing"));
    EXPECT_FALSE(protocol_number("TcpExt: A ListenOverflows\n", "TcpExt", "ListenOverflows"));
}

TEST(ProcFiles, MountsAndCgroups) {
    const auto mounts = parse_mounts(
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 / /mnt/a\\040b rw,relatime shared:1 - ext4 /dev/vda1 rw,cpu\nnot a mount\n");
    ASSERT_EQ(mounts.size(), 2);
    EXPECT_EQ(mounts[1].point, "/mnt/a b");
    EXPECT_EQ(mounts[1].type, "ext4");
    EXPECT_EQ(mounts[1].source, "/dev/vda1");
    EXPECT_EQ(mounts[1].super_options, "rw,cpu");
    const auto lines = parse_cgroup_lines("4:cpu,cpuacct:/a\n0::/b:c\nbroken\n9:name=systemd:relative\n");
    ASSERT_EQ(lines.size(), 2);
    EXPECT_EQ(lines[0].controllers, "cpu,cpuacct");
    EXPECT_EQ(lines[1].controllers, "");
    EXPECT_EQ(lines[1].path, "/b:c");
}

TEST(Runtime, ByExecutable) {
    EXPECT_EQ(runtime_from_executable("/usr/bin/python3.11").name, "python");
    EXPECT_EQ(runtime_from_executable("/usr/bin/python3.11").version, "3.11");
    EXPECT_EQ(runtime_from_executable("/usr/sbin/php-fpm8.2").version, "8.2");
    EXPECT_EQ(runtime_from_executable("/usr/sbin/nginx (deleted)").name, "nginx");
    EXPECT_EQ(runtime_from_executable("/opt/node_exporter").name, "");
    EXPECT_EQ(runtime_from_executable("/usr/bin/javac").name, "");
    EXPECT_EQ(runtime_from_executable("").name, "");
}

TEST(Runtime, ByLibraries) {
    const auto python = runtime_from_maps("7f00-7f01 r-xp 0 8:1 1 /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0\n");
    EXPECT_EQ(python.name, "python");
    EXPECT_EQ(python.version, "3.11");
    EXPECT_EQ(runtime_from_maps("7f00 r-xp /jvm/lib/server/libjvm.so\n").name, "java");
    EXPECT_EQ(runtime_from_maps("").name, "");
}

TEST(Runtime, GoBuildInfo) {
    std::string section("\xff Go buildinf:\x08\x02", 16);
    section.resize(32);
    section += "\x08go1.21.4";
    const auto bytes = [](const std::string& s) {
        return std::span(reinterpret_cast<const unsigned char*>(s.data()), s.size());
    };
    EXPECT_EQ(go_version(bytes(section)), "go1.21.4");
    for (std::size_t size = 0; size < section.size(); ++size)
        EXPECT_EQ(go_version(bytes(section.substr(0, size))), "") << size;
    section[33] = '\x01';
    EXPECT_EQ(go_version(bytes(section)), "");
}

TEST(Runtime, NothingIsSaidOfAPlainProgram) {
    EXPECT_EQ(detect_runtime(static_cast<std::uint32_t>(::getpid()), "/nowhere/unit_tests").name, "");
}

}  // namespace
}  // namespace sonde
