#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/model/loss.hpp"
#include "agent/probe/kernel_features.hpp"
#include "agent/probe/log/log_watch.hpp"
#include "agent/probe/tls/tls_watch.hpp"

namespace sonde {

struct ProbeOptions {
    std::uint32_t capture_bytes = 512;   // payload bytes per head, 64 … 4096
    std::uint32_t ring_bytes = 8 << 20;  // a power of two, at least one page
    std::uint32_t log_bytes = 16384;     // bytes per write to a log, of whatever many lines, 64 … 16384
    LogWatchOptions logs{};
};

// The loaded and attached kernel programs. Everything goes with the object: nothing is pinned.
class Probe {
public:
    // Loads the best variant of each hook, which takes a second or more, and attaches all but those that see traffic.
    // Fails only where nothing would be seen at all (no privilege, no BTF, no cgroup2, packet hooks refused); anything
    // less is a feature that is off, with its reason.
    static Result<std::unique_ptr<Probe>> prepare(const ProbeOptions& options);
    virtual ~Probe() = default;

    // Attaches the packet hooks: from here on traffic fills the ring, at saturation within a fraction of a second.
    // Once, by who is about to poll. attached: called when that is done and before the thread that finds TLS libraries
    // starts, which inherits what its starter may do.
    virtual Status watch_traffic(const std::function<Status()>& attached = {}) = 0;

    [[nodiscard]] virtual const std::vector<Feature>& features() const = 0;
    [[nodiscard]] virtual int ring_fd() const = 0;
    [[nodiscard]] virtual std::uint32_t ring_bytes() const = 0;
    // Sends what the kernel keeps back of connections that fell silent (bpf/progress.bpf.h): of those silent since
    // before_ns, CLOCK_MONOTONIC. Walks all connections that carry HTTP. One thread at a time.
    virtual void flush_progress(std::uint64_t before_ns) const = 0;
    // Who finds and attaches to TLS libraries; null before watch_traffic, and where the kernel has no uprobes for
    // us. Wants to be told of processes that begin, end and speak TLS.
    [[nodiscard]] virtual TlsWatch* tls() const = 0;
    // Who captures what servers write to their logs; null before watch_traffic, and where the kernel has no uprobes for
    // us. Wants to be told of processes that begin, end and serve.
    [[nodiscard]] virtual LogWatch* logs() const = 0;
    // Programs that begin later, with TLS or with logs, are attached to by what only CAP_SYS_ADMIN may do.
    [[nodiscard]] virtual bool late_uprobes_need_admin() const = 0;
    // The kernel's part of the loss matrix, summed over CPUs. Any thread.
    [[nodiscard]] virtual LossMatrix kernel_losses() const = 0;
    // To be called often, by one thread at a time: measures the scheduler's clock anew when that is due.
    virtual void keep_clock() = 0;
    // Descriptor of the map scheduler_offset, which keep_clock() keeps: for other programs that need it.
    [[nodiscard]] virtual int scheduler_offset_fd() const = 0;
};

}  // namespace sonde
