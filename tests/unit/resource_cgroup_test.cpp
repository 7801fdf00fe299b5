#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "agent/resource/cgroup_metrics.hpp"
#include "agent/resource/node_metrics.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

// A /proc and a cgroup tree of the test's own.
class FakeTree : public testing::Test {
protected:
    FakeTree() {
        auto name = (fs::temp_directory_path() / "sonde-cgroup-XXXXXX").string();
        root_ = ::mkdtemp(name.data());
    }
    ~FakeTree() override { fs::remove_all(root_); }

    void write(const fs::path& path, const std::string& text) {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    [[nodiscard]] std::string at(const char* path) const { return (root_ / path).string(); }
    static double value(const std::vector<prometheus::MetricFamily>& families, const std::string& name,
                        const std::string& id, double missing = -1) {
        for (const auto& family : families)
            if (family.name == name)
                for (const auto& metric : family.metric)
                    if (std::any_of(metric.label.begin(), metric.label.end(),
                                    [&](const auto& label) { return label.value == id; }))
                        return family.type == prometheus::MetricType::Counter ? metric.counter.value
                                                                              : metric.gauge.value;
        return missing;
    }

    fs::path root_;
};

TEST_F(FakeTree, LimitsAndThrottlingOfV2) {
    const std::string id(64, 'a');
    const auto path = "/system.slice/docker-" + id + ".scope";
    write("proc/self/mountinfo", "1 0 0:1 / " + at("v2") + " rw - cgroup2 cgroup2 rw\n");
    write("proc/7/cgroup", "0::" + path + "\n");
    const auto file = [&](const char* name, const char* text) { write("v2" + path + "/" + name, text); };
    file("cpu.stat",
         "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 50\nnr_throttled 20\n"
         "throttled_usec 1500000\n");
    file("cpu.max", "20000 100000\n");
    file("memory.current", "1000\n");
    file("memory.max", "max\n");
    file("memory.stat", "anon 1\ninactive_file 300\n");
    file("memory.events", "low 0\noom 3\noom_kill 2\n");
    file("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2\n8:16 rbytes=5 wbytes=6 rios=1 wios=2\n");
    file("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n");
    CgroupMetrics metrics(64, at("proc"));
    metrics.update({{1, 7}});
    FamilyList out;
    metrics.add(out);
    EXPECT_LE(out.series(), CgroupMetrics::series_per_cgroup + 1);
    const auto families = out.take();
    EXPECT_EQ(value(families, "container_cpu_usage_seconds_total", path), 3);
    EXPECT_EQ(value(families, "container_cpu_cfs_throttled_periods_total", id), 20);
    EXPECT_EQ(value(families, "container_cpu_cfs_throttled_seconds_total", path), 1.5);
    EXPECT_EQ(value(families, "container_spec_cpu_quota", path), 20000);
    EXPECT_EQ(value(families, "container_spec_cpu_period", path), 100000);
    EXPECT_EQ(value(families, "container_memory_working_set_bytes", path), 700);
    EXPECT_EQ(value(families, "container_spec_memory_limit_bytes", path), -1);  // there is none
    EXPECT_EQ(value(families, "container_oom_events_total", path), 2);
    EXPECT_EQ(value(families, "container_fs_writes_bytes_total", path), 26);
    EXPECT_EQ(value(families, "container_pressure_stalled_seconds_total", path), 0.5);
}

TEST_F(FakeTree, HybridTreesAndTheBound) {
    write("proc/self/mountinfo", "1 0 0:1 / " + at("v2") + " rw - cgroup2 cgroup2 rw\n2 0 0:2 / " + at("cpu") +
                                     " rw - cgroup cgroup rw,cpu,cpuacct\n3 0 0:3 /part " + at("memory") +
                                     " rw - cgroup cgroup rw,memory\n");
    std::unordered_map<std::uint64_t, std::uint32_t> groups;
    for (std::uint32_t i = 1; i <= 10; ++i) {
        const auto path = "/group" + std::to_string(i);
        write("proc/" + std::to_string(i) + "/cgroup", "5:cpu,cpuacct:" + path + "\n4:memory:/x\n0::/\n");
        write("cpu" + path + "/cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 3000000000\n");
        write("cpu" + path + "/cpuacct.usage", "7000000000\n");
        write("cpu" + path + "/cpu.cfs_quota_us", "-1\n");
        groups[i] = i;
    }
    CgroupMetrics metrics(4, at("proc"));
    metrics.update(groups);
    FamilyList out;
    metrics.add(out);
    const auto families = out.take();
    EXPECT_EQ(value(families, "container_cpu_usage_seconds_total", "/group1"), 7);
    EXPECT_EQ(value(families, "container_cpu_cfs_throttled_seconds_total", "/group1"), 3);
    EXPECT_EQ(value(families, "container_spec_cpu_quota", "/group1"), -1);
    const auto shown = std::find_if(families.begin(), families.end(),
                                    [](const auto& f) { return f.name == "container_cpu_usage_seconds_total"; });
    EXPECT_EQ(shown->metric.size(), 4);
    EXPECT_EQ(metrics.dropped(), 2 * 6);
}

TEST_F(FakeTree, TheMachine) {
    write("proc/stat", "cpu  100 0 50 850 0 0 0 0 0 0\nprocs_running 3\nprocs_blocked 1\n");
    write("proc/loadavg", "0.50 0.40 0.30 1/2 3\n");
    write("proc/meminfo",
          "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 600 kB\nBuffers: 50 kB\nCached: 300 kB\n"
          "SReclaimable: 50 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n");
    std::string disks;
    for (int i = 0; i < 40; ++i) disks += " 8 0 sd" + std::to_string(i) + " 1 0 8 1 1 0 8 1 0 1 1\n";
    write("proc/diskstats", disks);
    FamilyList out;
    add_node_metrics(out, at("proc"));
    EXPECT_LE(out.series(), node_series_max);
    const auto families = out.take();
    EXPECT_EQ(value(families, "system_memory_usage_bytes", "used"), 400 * 1024);
    EXPECT_EQ(value(families, "system_paging_usage_bytes", "used"), 6 * 1024);
    EXPECT_EQ(value(families, "system_disk_io_bytes_total", "sd0"), 8 * 512);
    for (const auto& family : families)
        if (family.name == "sonde_node_devices_dropped") {
            EXPECT_EQ(family.metric[0].gauge.value, 8);
        }
}

}  // namespace
}  // namespace sonde
