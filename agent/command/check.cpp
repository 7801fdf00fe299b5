#include "agent/command/check.hpp"

#include <algorithm>
#include <cstdio>

#include "agent/api/answer.hpp"

namespace sonde {

void print_checks(const std::vector<Check>& checks, bool colour) {
    constexpr const char* marks[] = {"ok", "WARN", "MISSING", "PROBLEM"};
    constexpr const char* colours[] = {"\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1;31m"};
    for (const auto& check : checks) {
        const auto state = static_cast<std::size_t>(check.state);
        const auto text = check.todo.empty() ? check.text : check.text + "; " + check.todo;
        std::printf("%s%-8s%s%-18s%s\n", colour ? colours[state] : "", marks[state], colour ? "\x1b[0m" : "",
                    check.name.c_str(), text.c_str());
    }
}

void print_checks_json(const std::vector<Check>& checks) {
    boost::json::array list;
    for (const auto& check : checks)
        list.push_back({{"name", valid_utf8(check.name)},
                        {"state", to_string(check.state)},
                        {"text", valid_utf8(check.text)},
                        {"todo", valid_utf8(check.todo)}});
    const boost::json::object out{{"ok", all_well(checks)}, {"checks", std::move(list)}};
    std::printf("%s\n", boost::json::serialize(out).c_str());
}

bool all_well(const std::vector<Check>& checks) {
    return std::all_of(checks.begin(), checks.end(),
                       [](const Check& check) { return check.state <= CheckState::warn; });
}

}  // namespace sonde
