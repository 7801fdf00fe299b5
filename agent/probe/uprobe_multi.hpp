#pragma once

#include <cstdint>
#include <string>

#include "agent/base/unique_fd.hpp"

// Uprobes as BPF links of the type uprobe_multi (Linux 6.6, commit 89ae89f53d20). Those of perf_event_open(2) do the
// same but take CAP_SYS_ADMIN, which allows nearly everything; these take what loading the program took.
namespace sonde {

// BPF_TRACE_UPROBE_MULTI of the kernel's uapi/linux/bpf.h; older headers do not have it. A program must be loaded with
// it as its expected attach type.
inline constexpr int uprobe_multi_attach_type = 48;

// Asks the kernel, by a program of two instructions.
[[nodiscard]] bool kernel_has_uprobe_multi();

// Attaches to the file for the process (0: for every one that maps it). Before 6.10 a process means its first thread
// only (commit 46ba0e49b642). No descriptor: errno says why. Detached when it is closed.
UniqueFd attach_uprobe_multi(int program_fd, const std::string& path, std::uint64_t offset, bool at_return,
                             std::uint32_t pid = 0);

}  // namespace sonde
