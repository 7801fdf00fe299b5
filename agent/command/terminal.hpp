#pragma once

#include <csignal>
#include <string_view>

#include "agent/base/result.hpp"
#include "agent/base/unique_fd.hpp"

namespace sonde {

struct TerminalSize {
    int columns = 80;
    int rows = 24;
};

bool is_terminal(int fd);
bool wants_colour(int fd);  // a terminal, and NO_COLOR is not set (no-color.org)
TerminalSize terminal_size(int fd);

// "sonde: what: what to do" on stderr; returns the exit code.
int report(const Error& error);

// One line on stderr, secrets taken out.
void say(std::string_view line);

// SIGINT and SIGTERM ask for a clean stop. Install before threads start.
class StopSignals {
public:
    StopSignals();
    [[nodiscard]] static bool stop_requested();
};

// SIGHUP asks for a reload: the descriptor becomes readable (eventfd). At most one object at a time; install before
// threads start.
class ReloadSignal {
public:
    ReloadSignal();
    ~ReloadSignal();
    ReloadSignal(const ReloadSignal&) = delete;
    ReloadSignal& operator=(const ReloadSignal&) = delete;
    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    UniqueFd fd_;
};

}  // namespace sonde
