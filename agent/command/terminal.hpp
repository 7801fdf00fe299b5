#pragma once

#include <csignal>
#include <string_view>

#include "agent/base/result.hpp"

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

// SIGINT and SIGTERM ask for a clean stop. Install before threads start.
class StopSignals {
public:
    StopSignals();
    [[nodiscard]] static bool stop_requested();
};

}  // namespace sonde
