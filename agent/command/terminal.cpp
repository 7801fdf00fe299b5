#include "agent/command/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "agent/redact/redactor.hpp"

namespace sonde {
namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void request_stop(int) { stop.store(true, std::memory_order_relaxed); }

}  // namespace

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

bool wants_colour(int fd) {
    const char* no_colour = std::getenv("NO_COLOR");
    return is_terminal(fd) && (no_colour == nullptr || *no_colour == '\0');
}

TerminalSize terminal_size(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
    return {size.ws_col, size.ws_row};
}

int report(const Error& error) {
    // messages quote what they were given: URLs with passwords, keys
    const auto message = error.message();
    Redactor redactor(RedactionPolicy::defaults());
    const std::string safe(redactor.text(message, Place::self_log).text);
    std::fprintf(stderr, "sonde: %s\n", safe.c_str());
    return error.exit_code();
}

StopSignals::StopSignals() {
    struct sigaction action {};
    action.sa_handler = request_stop;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    action.sa_handler = SIG_IGN;  // a reader that goes away shows as a failed write
    ::sigaction(SIGPIPE, &action, nullptr);
}

bool StopSignals::stop_requested() { return stop.load(std::memory_order_relaxed); }

}  // namespace sonde
