// The texts of /proc and cgroup files, library names and Go's build information: processes have a say in each.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/resource/proc_files.hpp"
#include "agent/resource/runtime.hpp"

namespace {

void check(bool good) {
    if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    sonde::parse_number(text);
    sonde::keyed_number(text, "total");
    sonde::parse_cpu_ticks(text);
    sonde::parse_load_average(text);
    sonde::parse_pressure(text);
    sonde::protocol_number(text, "TcpExt", "ListenOverflows");
    for (const auto& disk : sonde::parse_diskstats(text)) check(!disk.name.empty());
    for (const auto& interface : sonde::parse_net_dev(text)) check(!interface.name.empty());
    for (const auto& mount : sonde::parse_mounts(text)) check(!mount.point.empty());
    for (const auto& line : sonde::parse_cgroup_lines(text)) check(line.path.starts_with('/'));
    sonde::runtime_from_maps(text);
    sonde::runtime_from_executable(text);
    check(sonde::go_version({data, size}).size() < 128);
    return 0;
}
