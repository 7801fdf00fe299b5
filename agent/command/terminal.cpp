#include "agent/command/terminal.hpp"

#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "agent/redact/redactor.hpp"

namespace sonde {
namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void request_stop(int) { stop.store(true, std::memory_order_relaxed); }

std::atomic<int> reload_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler reads it");

void request_reload(int) {
    const int saved = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(reload_fd.load(std::memory_order_relaxed), &one, sizeof one);
    errno = saved;
}

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
    say("sonde: " + error.message());
    return error.exit_code();
}

void say(std::string_view line) {
    Redactor redactor(RedactionPolicy::defaults());
    const std::string safe(redactor.text(line, Place::self_log).text);
    std::fprintf(stderr, "%s\n", safe.c_str());
}

StopSignals::StopSignals() {
    struct sigaction action {};
    action.sa_handler = request_stop;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    action.sa_handler = SIG_IGN;  // a reader that goes away shows as a failed write
    ::sigaction(SIGPIPE, &action, nullptr);
}

ReloadSignal::ReloadSignal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    reload_fd.store(fd_.get(), std::memory_order_relaxed);
    struct sigaction action {};
    action.sa_handler = request_reload;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGHUP, &action, nullptr);
}

ReloadSignal::~ReloadSignal() {
    struct sigaction action {};
    action.sa_handler = SIG_IGN;  // who sends it now is too late, and must not end the shutdown
    ::sigaction(SIGHUP, &action, nullptr);
    reload_fd.store(-1, std::memory_order_relaxed);
}

bool StopSignals::stop_requested() { return stop.load(std::memory_order_relaxed); }

}  // namespace sonde
