#include "agent/privilege/service_manager.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace sonde {
namespace {

std::uint64_t number_in(const char* text) {
    std::uint64_t value = 0;
    if (text != nullptr) std::from_chars(text, text + std::strlen(text), value);
    return value;
}

// Status is one line.
std::string one_line(std::string_view text) {
    std::string line(text);
    for (auto& c : line)
        if (c == '\n') c = ' ';
    return line;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
    const char* socket = std::getenv("NOTIFY_SOCKET");
    auto watchdog_us = number_in(std::getenv("WATCHDOG_USEC"));
    const auto watched_pid = number_in(std::getenv("WATCHDOG_PID"));
    if (watched_pid != 0 && watched_pid != static_cast<std::uint64_t>(::getpid())) watchdog_us = 0;
    ServiceManager manager(socket == nullptr ? "" : socket, std::chrono::microseconds(watchdog_us));
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::unsetenv("WATCHDOG_PID");
    return manager;
}

ServiceManager::ServiceManager(std::string_view socket, std::chrono::microseconds watchdog) {
    sockaddr_un address{};
    if (socket.size() < 2 || socket.size() >= sizeof address.sun_path || (socket[0] != '/' && socket[0] != '@')) return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket.data(), socket.size());
    if (socket[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return;
    socket_ = std::move(fd);
    watchdog_ = watchdog;
}

void ServiceManager::send(const std::string& words) {
    if (!socket_) return;
    [[maybe_unused]] const auto sent = ::send(socket_.get(), words.data(), words.size(), MSG_NOSIGNAL);
}

void ServiceManager::ready(std::string_view status) { send("READY=1\nSTATUS=" + one_line(status)); }

void ServiceManager::status(std::string_view text) {
    if (!socket_ || text == last_status_) return;
    last_status_ = text;
    send("STATUS=" + one_line(text));
}

void ServiceManager::stopping() { send("STOPPING=1"); }

void ServiceManager::alive() {
    if (watchdog_.count() == 0) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_sign_) return;
    next_sign_ = now + watchdog_ / 2;
    send("WATCHDOG=1");
}

}  // namespace sonde
