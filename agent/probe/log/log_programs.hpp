#pragma once

#include <functional>
#include <memory>

#include "agent/base/result.hpp"
#include "agent/probe/log/log_watch.hpp"
#include "bpf/shared/config.h"

struct bpf_object;

namespace sonde {

// The programs of bpf/log.bpf.c, loaded. Used by the LogWatch's thread only.
class LogPrograms {
public:
    // prepare: called with the opened object, to share maps. The kernel needs uprobes and, on arm64 as on x86,
    // bpf_task_pt_regs (5.15).
    static Result<std::unique_ptr<LogPrograms>> load(const std::function<void(bpf_object*)>& prepare,
                                                     const sonde_config& config);
    virtual ~LogPrograms() = default;
    // For a LogWatch that ends before this does.
    [[nodiscard]] virtual LogWatchHooks hooks() = 0;
    // Attaching takes CAP_SYS_ADMIN (see uprobe_multi.hpp).
    [[nodiscard]] virtual bool needs_admin() const = 0;
};

}  // namespace sonde
