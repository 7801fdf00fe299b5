#include "agent/probe/clock_calibration.hpp"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <string>

namespace sonde {
namespace {

// Each attempt is too large by what passed since the clock was brought up to date, a microsecond or two; an interrupt
// or a preemption in between makes it worse, so the smallest counts.
constexpr int attempts = 8;

}  // namespace

Status ClockCalibration::calibrate() {
    std::int64_t best_ns = std::numeric_limits<std::int64_t>::max();
    for (int attempt = 0; attempt < attempts; ++attempt) {
        timespec own_cpu_time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own_cpu_time);
        LIBBPF_OPTS(bpf_test_run_opts, options);
        if (bpf_prog_test_run_opts(program_fd_, &options) != 0)
            return fail(std::string("the kernel does not run the clock program: ") + std::strerror(errno));
        if (*measured_ns_ != 0 && *measured_ns_ < best_ns) best_ns = *measured_ns_;
    }
    if (best_ns == std::numeric_limits<std::int64_t>::max())
        return fail("the kernel does not show its run queues (it was built without CONFIG_FAIR_GROUP_SCHED)");
    const std::uint32_t key = 0;
    if (bpf_map_update_elem(map_fd_, &key, &best_ns, BPF_ANY) != 0)
        return fail(std::string("cannot store the clock's offset: ") + std::strerror(errno));
    return done();
}

}  // namespace sonde
