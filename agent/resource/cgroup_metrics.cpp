#include "agent/resource/cgroup_metrics.hpp"

#include <algorithm>
#include <set>

#include "agent/identity/container.hpp"
#include "agent/resource/proc_files.hpp"

namespace sonde {
namespace {

double number(std::uint64_t value) { return static_cast<double>(value); }

Labels labels_of(const std::string& path, Labels more = {}) {
    Labels labels{{"id", path}};
    const auto line = "0::" + path + "\n";
    if (auto id = container_id_from_cgroup(line); !id.empty()) labels.push_back({"container_id", std::move(id)});
    if (auto unit = systemd_unit_from_cgroup(line); !unit.empty()) labels.push_back({"unit", std::move(unit)});
    for (auto& label : more) labels.push_back(std::move(label));
    return labels;
}

// v1 says "no limit" by a number that is the largest multiple of the page size in 63 bits.
bool is_limit(std::uint64_t bytes) { return bytes < (std::uint64_t{1} << 62); }

constexpr const char* cpu_total = "container_cpu_usage_seconds_total";
constexpr const char* cpu_total_help = "CPU time of the cgroup and those below it.";
constexpr const char* cpu_user = "container_cpu_user_seconds_total";
constexpr const char* cpu_user_help = "CPU time of the cgroup in user space.";
constexpr const char* cpu_system = "container_cpu_system_seconds_total";
constexpr const char* cpu_system_help = "CPU time of the cgroup in the kernel.";
constexpr const char* periods = "container_cpu_cfs_periods_total";
constexpr const char* periods_help = "Number of enforcement periods in which the cgroup ran.";
constexpr const char* throttled = "container_cpu_cfs_throttled_periods_total";
constexpr const char* throttled_help = "Number of periods in which the cgroup had used up its quota.";
constexpr const char* throttled_time = "container_cpu_cfs_throttled_seconds_total";
constexpr const char* throttled_time_help = "Time for which the cgroup's cores were denied to it.";
constexpr const char* quota = "container_spec_cpu_quota";
constexpr const char* quota_help = "CPU time that the cgroup may use in a period, in microseconds.";
constexpr const char* period = "container_spec_cpu_period";
constexpr const char* period_help = "Length of the enforcement period, in microseconds.";
constexpr const char* memory = "container_memory_usage_bytes";
constexpr const char* memory_help = "Memory charged to the cgroup, page cache included.";
constexpr const char* working_set = "container_memory_working_set_bytes";
constexpr const char* working_set_help = "Memory less the page cache that could go at once.";
constexpr const char* swap = "container_memory_swap";
constexpr const char* swap_help = "Swap charged to the cgroup, in bytes.";
constexpr const char* memory_limit = "container_spec_memory_limit_bytes";
constexpr const char* memory_limit_help = "Memory limit of the cgroup; left out where there is none.";
constexpr const char* oom_events = "container_oom_events_total";
constexpr const char* oom_events_help = "Number of processes of the cgroup that the OOM killer ended.";
constexpr const char* processes = "container_threads";
constexpr const char* processes_help = "Number of threads in the cgroup.";
constexpr const char* read_bytes = "container_fs_reads_bytes_total";
constexpr const char* read_bytes_help = "Bytes that the cgroup read from block devices.";
constexpr const char* write_bytes = "container_fs_writes_bytes_total";
constexpr const char* write_bytes_help = "Bytes that the cgroup wrote to block devices.";

void counter_if(FamilyList& out, const char* name, const char* help, const std::string& path,
                std::optional<std::uint64_t> value, double divisor = 1) {
    if (value) out.counter(name, help, labels_of(path), number(*value) / divisor);
}

void gauge_if(FamilyList& out, const char* name, const char* help, const std::string& path,
              std::optional<std::uint64_t> value) {
    if (value) out.gauge(name, help, labels_of(path), number(*value));
}

void add_memory_use(FamilyList& out, const std::string& path, std::optional<std::uint64_t> used,
                    std::optional<std::uint64_t> inactive_file) {
    gauge_if(out, memory, memory_help, path, used);
    if (used && inactive_file)
        gauge_if(out, working_set, working_set_help, path, *used - std::min(*used, *inactive_file));
}

// Sum over devices of "8:0 rbytes=1 wbytes=2 …".
std::uint64_t sum_of(const std::string& text, const std::string& key) {
    std::uint64_t sum = 0;
    for (auto at = text.find(key + "="); at != std::string::npos; at = text.find(key + "=", at + 1))
        if (at == 0 || text[at - 1] == ' ')
            sum += parse_number(std::string_view(text).substr(at + key.size() + 1)).value_or(0);
    return sum;
}

// Sum over devices of v1's "8:0 Read 1".
std::uint64_t sum_v1(const std::string& text, const std::string& operation) {
    std::uint64_t sum = 0;
    const auto key = " " + operation + " ";
    for (auto at = text.find(key); at != std::string::npos; at = text.find(key, at + 1))
        sum += parse_number(std::string_view(text).substr(at + key.size())).value_or(0);
    return sum;
}

}  // namespace

void CgroupMetrics::find_mounts() {
    mounts_ = {};
    for (const auto& mount : parse_mounts(read_text(proc_root_ + "/self/mountinfo"))) {
        if (mount.root != "/") continue;  // a part of the tree: paths would not fit
        if (mount.type == "cgroup2" && mounts_.unified.empty()) mounts_.unified = mount.point;
        if (mount.type != "cgroup") continue;
        for (const char* controller : {"cpu", "cpuacct", "memory", "blkio", "pids"})
            if (("," + mount.super_options + ",").find(std::string(",") + controller + ",") != std::string::npos)
                mounts_.controllers.try_emplace(controller, mount.point);
    }
}

void CgroupMetrics::update(const std::unordered_map<std::uint64_t, std::uint32_t>& groups) {
    find_mounts();
    std::erase_if(known_, [&](const auto& known) { return !groups.contains(known.first); });
    std::map<std::string, std::set<std::string>> all;
    for (const auto& [group, pid] : groups) {
        auto& paths = known_[group];
        if (paths.empty())
            for (const auto& line : parse_cgroup_lines(read_text(proc_root_ + "/" + std::to_string(pid) + "/cgroup"))) {
                if (line.controllers.empty()) paths[""] = line.path;
                for (const auto& [controller, point] : mounts_.controllers)
                    if (("," + line.controllers + ",").find("," + controller + ",") != std::string::npos)
                        paths[controller] = line.path;
            }
        for (const auto& [controller, path] : paths)
            if (path != "/") all[controller].insert(path);
    }
    shown_.clear();
    dropped_ = 0;
    for (const auto& [controller, paths] : all) {
        std::vector<std::string> ordered(paths.begin(), paths.end());
        std::stable_partition(ordered.begin(), ordered.end(),
                              [](const auto& path) { return !container_id_from_cgroup("0::" + path).empty(); });
        const auto shown = std::min(ordered.size(), max_cgroups_);
        dropped_ += ordered.size() - shown;
        ordered.resize(shown);
        shown_[controller] = std::move(ordered);
    }
}

void CgroupMetrics::add(FamilyList& out) const {
    for (const auto& [controller, paths] : shown_)
        for (const auto& path : paths)
            if (controller.empty())
                add_v2(out, path);
            else
                add_v1(out, controller, path);
    out.gauge("sonde_cgroups_dropped", "Number of cgroups that are not shown because there are too many.", {},
              static_cast<double>(dropped_));
}

void CgroupMetrics::add_v2(FamilyList& out, const std::string& path) const {
    if (mounts_.unified.empty()) return;
    const auto file = [&](const char* name) { return read_text(mounts_.unified + path + "/" + name); };
    const auto cpu = file("cpu.stat");
    // in a hybrid tree the files of v1's controllers are missing here, and every value with them
    if (mounts_.controllers.find("cpuacct") == mounts_.controllers.end()) {
        counter_if(out, cpu_total, cpu_total_help, path, keyed_number(cpu, "usage_usec"), 1e6);
        counter_if(out, cpu_user, cpu_user_help, path, keyed_number(cpu, "user_usec"), 1e6);
        counter_if(out, cpu_system, cpu_system_help, path, keyed_number(cpu, "system_usec"), 1e6);
    }
    counter_if(out, periods, periods_help, path, keyed_number(cpu, "nr_periods"));
    counter_if(out, throttled, throttled_help, path, keyed_number(cpu, "nr_throttled"));
    counter_if(out, throttled_time, throttled_time_help, path, keyed_number(cpu, "throttled_usec"), 1e6);
    const auto limit = file("cpu.max");  // "max 100000" or "50000 100000"
    gauge_if(out, quota, quota_help, path, parse_number(limit));
    if (const auto blank = limit.find(' '); blank != std::string::npos)
        gauge_if(out, period, period_help, path, parse_number(std::string_view(limit).substr(blank)));
    add_memory_use(out, path, parse_number(file("memory.current")), keyed_number(file("memory.stat"), "inactive_file"));
    gauge_if(out, swap, swap_help, path, parse_number(file("memory.swap.current")));
    gauge_if(out, memory_limit, memory_limit_help, path, parse_number(file("memory.max")));  // "max" is no number
    counter_if(out, oom_events, oom_events_help, path, keyed_number(file("memory.events"), "oom_kill"));
    gauge_if(out, processes, processes_help, path, parse_number(file("pids.current")));
    if (const auto io = file("io.stat"); !io.empty()) {
        counter_if(out, read_bytes, read_bytes_help, path, sum_of(io, "rbytes"));
        counter_if(out, write_bytes, write_bytes_help, path, sum_of(io, "wbytes"));
    }
    for (const char* resource : {"cpu", "memory", "io"}) {
        const auto pressure = parse_pressure(file((std::string(resource) + ".pressure").c_str()));
        const auto add = [&](const char* tasks, std::optional<std::uint64_t> us) {
            if (us)
                out.counter("container_pressure_stalled_seconds_total",
                            "Time in which some, or all, tasks of the cgroup waited for a resource (PSI).",
                            labels_of(path, {{"resource", resource}, {"tasks", tasks}}), number(*us) / 1e6);
        };
        add("some", pressure.some_us);
        add("full", pressure.full_us);
    }
}

void CgroupMetrics::add_v1(FamilyList& out, const std::string& controller, const std::string& path) const {
    const auto at = mounts_.controllers.find(controller);
    if (at == mounts_.controllers.end()) return;
    const auto file = [&](const char* name) { return read_text(at->second + path + "/" + name); };
    if (controller == "cpuacct") {
        counter_if(out, cpu_total, cpu_total_help, path, parse_number(file("cpuacct.usage")), 1e9);
        counter_if(out, cpu_user, cpu_user_help, path, parse_number(file("cpuacct.usage_user")), 1e9);
        counter_if(out, cpu_system, cpu_system_help, path, parse_number(file("cpuacct.usage_sys")), 1e9);
    } else if (controller == "cpu") {
        const auto stat = file("cpu.stat");
        counter_if(out, periods, periods_help, path, keyed_number(stat, "nr_periods"));
        counter_if(out, throttled, throttled_help, path, keyed_number(stat, "nr_throttled"));
        counter_if(out, throttled_time, throttled_time_help, path, keyed_number(stat, "throttled_time"), 1e9);
        gauge_if(out, quota, quota_help, path, parse_number(file("cpu.cfs_quota_us")));  // -1: none, no number here
        gauge_if(out, period, period_help, path, parse_number(file("cpu.cfs_period_us")));
    } else if (controller == "memory") {
        add_memory_use(out, path, parse_number(file("memory.usage_in_bytes")),
                       keyed_number(file("memory.stat"), "total_inactive_file"));
        gauge_if(out, swap, swap_help, path, keyed_number(file("memory.stat"), "total_swap"));
        if (const auto limit = parse_number(file("memory.limit_in_bytes")); limit && is_limit(*limit))
            gauge_if(out, memory_limit, memory_limit_help, path, limit);
        counter_if(out, oom_events, oom_events_help, path, keyed_number(file("memory.oom_control"), "oom_kill"));
    } else if (controller == "blkio") {
        const auto io = file("blkio.throttle.io_service_bytes");
        if (io.empty()) return;
        counter_if(out, read_bytes, read_bytes_help, path, sum_v1(io, "Read"));
        counter_if(out, write_bytes, write_bytes_help, path, sum_v1(io, "Write"));
    } else if (controller == "pids") {
        gauge_if(out, processes, processes_help, path, parse_number(file("pids.current")));
    }
}

}  // namespace sonde
