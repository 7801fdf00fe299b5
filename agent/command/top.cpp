#include "agent/command/top.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "agent/command/commands.hpp"
#include "agent/command/raw_terminal.hpp"
#include "agent/command/terminal.hpp"
#include "agent/command/top_data.hpp"
#include "agent/command/top_keys.hpp"

namespace sonde {
namespace {

using Clock = std::chrono::steady_clock;

int show_once(TopData& data, TopState& state) {
    if (const auto refreshed = data.refresh(state); !refreshed) return report(refreshed.error());
    const bool terminal = is_terminal(STDOUT_FILENO);
    const auto size = terminal_size(STDOUT_FILENO);
    const auto rows = static_cast<int>(std::max(state.endpoints.size(), state.processes.size()));
    std::printf("%s\n",
                top_picture(state, terminal ? size.columns : 150, rows + 6, wants_colour(STDOUT_FILENO)).c_str());
    return 0;
}

void draw(const TopState& state) {
    const auto size = terminal_size(STDOUT_FILENO);
    RawTerminal::draw(top_picture(state, size.columns, size.rows, wants_colour(STDOUT_FILENO)));
}

// False: the user has had enough.
bool press_keys(TopState& state, std::string_view keys, bool& refetch) {
    const auto page = static_cast<std::size_t>(std::max(1, terminal_size(STDOUT_FILENO).rows - 6));
    while (!keys.empty()) {
        const auto result = press_key(state, keys, page);
        if (result == KeyResult::quit) return false;
        refetch = refetch || result == KeyResult::refetch;
    }
    return true;
}

}  // namespace

int top_command(const TopOptions& options) {
    const StopSignals signals;
    TopState state;
    state.sort = options.sort;
    state.filter = options.filter;
    state.window_s = options.window_s;
    TopData data(options);
    if (options.once || !is_terminal(STDOUT_FILENO)) return show_once(data, state);
    // before the screen is taken: a first word that there is no agent stays on it
    if (const auto refreshed = data.refresh(state); !refreshed) return report(refreshed.error());

    const RawTerminal terminal;
    const auto interval = std::chrono::milliseconds(static_cast<int>(options.interval_s * 1000));
    auto next = Clock::now() + interval;
    draw(state);
    while (!StopSignals::stop_requested()) {
        const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now()).count();
        bool refetch = false;
        const auto keys = RawTerminal::keys(static_cast<int>(std::clamp<long>(wait, 0, 1000)));
        if (!press_keys(state, keys, refetch)) break;
        if (Clock::now() >= next || refetch) {
            if (!state.paused || refetch) {
                const auto refreshed = data.refresh(state);
                state.message = refreshed ? "" : refreshed.error().message();
            }
            next = Clock::now() + interval;
        }
        draw(state);
    }
    return 0;
}

}  // namespace sonde
