#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "agent/history/history.hpp"

namespace sonde {

// "RUN-NUMBER": names a transaction or a line. RUN is this run of the agent, for a number means nothing after a
// restart.
inline std::string run_number(const History& history, std::uint64_t number) {
    return std::to_string(history.unix_time_s(history.started_s())) + "-" + std::to_string(number);
}

// Of another run or malformed: nothing.
inline std::optional<std::uint64_t> number_of(const History& history, std::string_view id) {
    const auto dash = id.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    std::int64_t run = 0;
    std::uint64_t number = 0;
    const auto head = id.substr(0, dash), tail = id.substr(dash + 1);
    const auto read = [](std::string_view text, auto& value) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        return error == std::errc{} && end == text.data() + text.size();
    };
    if (!read(head, run) || !read(tail, number)) return std::nullopt;
    // the clock may have been set since
    const auto now = history.unix_time_s(history.started_s());
    if (run != now && std::abs(run - now) > 2) return std::nullopt;
    return number;
}

}  // namespace sonde
