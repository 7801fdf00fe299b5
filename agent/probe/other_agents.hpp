#pragma once

#include <optional>

namespace sonde {

// How many sets of sonde's packet programs are attached to the machine's cgroup root, by their name; an own one counts
// too. Each costs the traffic its own share. Nothing: not to be seen (the kernel shows other programs to CAP_SYS_ADMIN
// only: BPF_PROG_GET_FD_BY_ID in kernel/bpf/syscall.c).
std::optional<unsigned> count_agents();

}  // namespace sonde
