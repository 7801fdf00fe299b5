#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/unique_fd.hpp"

namespace sonde {

// Tells who started us how we are, by the protocol of sd_notify(3): one datagram per word to the socket that
// NOTIFY_SOCKET names. Without one, nothing is said. One thread; a word that does not arrive is not repeated.
class ServiceManager {
public:
    // Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment. Call while there is one thread.
    static ServiceManager from_environment();

    ServiceManager() = default;
    // socket: a path, or "@name" in the abstract namespace. watchdog: 0: nobody waits for a sign of life.
    ServiceManager(std::string_view socket, std::chrono::microseconds watchdog);

    void ready(std::string_view status);
    void status(std::string_view text);
    void stopping();
    // A sign of life, when half of the time in which one must come has gone by since the last. To be called often.
    void alive();

    [[nodiscard]] bool connected() const { return static_cast<bool>(socket_); }
    [[nodiscard]] std::chrono::microseconds watchdog() const { return watchdog_; }

private:
    void send(const std::string& words);

    UniqueFd socket_;
    std::chrono::microseconds watchdog_{0};
    std::chrono::steady_clock::time_point next_sign_{};
    std::string last_status_;
};

}  // namespace sonde
