#include "agent/probe/other_agents.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <array>
#include <cstring>

#include "agent/base/unique_fd.hpp"
#include "agent/probe/preconditions.hpp"

namespace sonde {
namespace {

constexpr const char* packet_program = "packet_egress";  // bpf/packet.bpf.c; 15 bytes of a name are kept

}  // namespace

std::optional<unsigned> count_agents() {
    const UniqueFd cgroup(::open(cgroup2_root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    std::array<__u32, 64> ids{};  // BPF_CGROUP_MAX_PROGS
    auto count = static_cast<__u32>(ids.size());
    if (!cgroup || bpf_prog_query(cgroup.get(), BPF_CGROUP_INET_EGRESS, 0, nullptr, ids.data(), &count) != 0)
        return std::nullopt;
    unsigned agents = 0;
    for (__u32 i = 0; i < count; ++i) {
        const UniqueFd program(bpf_prog_get_fd_by_id(ids[i]));
        if (!program) return std::nullopt;
        bpf_prog_info info{};
        __u32 size = sizeof info;
        if (bpf_obj_get_info_by_fd(program.get(), &info, &size) == 0 && std::strcmp(info.name, packet_program) == 0)
            ++agents;
    }
    return agents;
}

}  // namespace sonde
