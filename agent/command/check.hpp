#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sonde {

// ok; warn: it works, less well than it could; missing: a feature is not to be had here; problem: something does not
// work.
enum class CheckState : std::uint8_t { ok, warn, missing, problem };
constexpr std::string_view to_string(CheckState state) {
    constexpr std::string_view names[] = {"ok", "warn", "missing", "problem"};
    return names[static_cast<std::size_t>(state)];
}

// One thing that `sonde doctor` looked at.
struct Check {
    std::string name;  // stable: scripts look for it
    CheckState state = CheckState::ok;
    std::string text;  // what was found
    std::string todo;  // what to do about it; empty where it is ok
};

// One line each: state, name, text, and what to do.
void print_checks(const std::vector<Check>& checks, bool colour);
// {"ok": …, "checks": [{"name", "state", "text", "todo"}, …]}
void print_checks_json(const std::vector<Check>& checks);
// True: nothing is missing and nothing is a problem.
bool all_well(const std::vector<Check>& checks);

}  // namespace sonde
