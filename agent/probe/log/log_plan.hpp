#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/probe/tls/elf_file.hpp"
#include "bpf/shared/log.h"

namespace sonde {

struct LogProbePoint {
    sonde_log_call call;
    std::uint64_t offset;  // in the file
};

// Where to probe one file so that what its users write is seen: the C library's write, writev and pwrite64 (glibc,
// musl, or a program with either inside, its symbols present), or syscall.write of a Go program from 1.18 on (amd64
// only). Nothing where the file has none of them. Each point is an instruction that the kernel emulates, if there is
// one (agent/probe/tls/prologue.hpp).
std::optional<std::vector<LogProbePoint>> plan_log_probes(const ElfFile& file);

// A Go program makes its own system calls: the C library that it may have mapped is not how it writes.
bool writes_by_itself(const std::vector<LogProbePoint>& points);

}  // namespace sonde
