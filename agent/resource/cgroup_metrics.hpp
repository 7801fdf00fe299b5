#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/resource/family_list.hpp"

namespace sonde {

// Limits, throttling and use of cgroups, v1 and v2, under cAdvisor's container_* names. Which cgroups: those that
// processes are in, containers first, at most max_cgroups per hierarchy; the root is the machine and left out.
// One thread.
class CgroupMetrics {
public:
    static constexpr std::size_t series_per_cgroup = 28;
    explicit CgroupMetrics(std::size_t max_cgroups = 64, std::string proc_root = "/proc")
        : max_cgroups_(max_cgroups), proc_root_(std::move(proc_root)) {}

    // groups: opaque key of a set of cgroups → one of its processes. Keys of earlier rounds are remembered.
    void update(const std::unordered_map<std::uint64_t, std::uint32_t>& groups);
    void add(FamilyList& out) const;
    // Number of cgroups that were not shown in the last round.
    [[nodiscard]] std::size_t dropped() const { return dropped_; }

private:
    struct Mounts {
        std::string unified;                             // where v2 is mounted; empty: nowhere
        std::map<std::string, std::string> controllers;  // v1: controller → mount point
    };
    // Directory of a cgroup in each hierarchy, by controller; "" is v2.
    using Paths = std::map<std::string, std::string>;

    void find_mounts();
    void add_v2(FamilyList& out, const std::string& path) const;
    void add_v1(FamilyList& out, const std::string& controller, const std::string& path) const;

    const std::size_t max_cgroups_;
    const std::string proc_root_;
    Mounts mounts_;
    std::unordered_map<std::uint64_t, Paths> known_;
    std::map<std::string, std::vector<std::string>> shown_;  // controller → paths
    std::size_t dropped_ = 0;
};

}  // namespace sonde
