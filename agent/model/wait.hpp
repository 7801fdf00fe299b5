#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sonde {

// What a thread that is not on a core waits for, by the system call it is in (docs/waits.md).
enum class WaitCause : std::uint8_t {
    disk,     // reading, writing or syncing a file
    memory,   // no system call: a page of a file or of swap, the lock of the memory map
    network,  // a socket, or poll, select and epoll
    lock,     // futex, eventfd: a lock, a condition, another thread's result
    sleep,    // until a time
    process,  // the end of a child, or a pipe
    other,
};
constexpr std::size_t wait_cause_count = 7;
constexpr std::array<std::string_view, wait_cause_count> wait_cause_names{"disk",  "memory",  "network", "lock",
                                                                          "sleep", "process", "other"};
constexpr std::string_view to_string(WaitCause cause) { return wait_cause_names[static_cast<std::size_t>(cause)]; }

// What the thread of one request was found waiting for, each time somebody looked, between the request's read and its
// answer.
struct WaitSamples {
    std::array<std::uint16_t, wait_cause_count> count{};  // times; stays at its largest value
    // The time that these stand for: right in sum over many requests, not for this one.
    std::array<float, wait_cause_count> seconds{};

    void add(WaitCause cause, float stands_for_s) {
        auto& n = count[static_cast<std::size_t>(cause)];
        if (n < UINT16_MAX) ++n;
        seconds[static_cast<std::size_t>(cause)] += stands_for_s;
    }
    [[nodiscard]] bool empty() const {
        for (const auto n : count)
            if (n != 0) return false;
        return true;
    }
};

}  // namespace sonde
