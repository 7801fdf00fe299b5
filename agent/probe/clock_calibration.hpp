#pragma once

#include <cstdint>

#include "agent/base/result.hpp"

namespace sonde {

// How often calibrate() is due. NTP slews CLOCK_MONOTONIC by 500 ppm at most (adjtimex(2)): what a thread's clock can
// be off by in between is 100 µs, and with a disciplined clock far below 10 µs.
inline constexpr int clock_calibration_interval_ms = 200;

// Keeps the map scheduler_offset: CLOCK_MONOTONIC less the scheduler's clock, which no helper can read. A program that
// is never attached reads both, right after this thread's own CPU time was asked for, which brings the run queue's
// clock up to date (task_sched_runtime() in the kernel). One thread at a time.
class ClockCalibration {
public:
    // program_fd: task_clock_offset; map_fd: scheduler_offset; both outlive the object, as does measured_ns, which
    // points into the program's data.
    ClockCalibration(int program_fd, int map_fd, const volatile long long* measured_ns)
        : program_fd_(program_fd), map_fd_(map_fd), measured_ns_(measured_ns) {}

    // Fails where the kernel does not run or does not answer the program; the map then keeps what it holds.
    Status calibrate();

private:
    const int program_fd_;
    const int map_fd_;
    const volatile long long* const measured_ns_;
};

}  // namespace sonde
