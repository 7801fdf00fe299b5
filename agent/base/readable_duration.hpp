#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

namespace sonde {

// For people: two digits that count, in the unit that fits. "310 µs", "2.9 ms", "42 ms", "1.2 s", "120 s"; the µ is two
// bytes wide and one column.
inline std::string readable_duration(std::uint64_t duration_ns) {
    const auto us = static_cast<double>(duration_ns) / 1e3;
    const auto [pattern, value] = us < 999.5    ? std::pair("%.0f µs", us)
                                  : us < 9950   ? std::pair("%.1f ms", us / 1e3)
                                  : us < 999500 ? std::pair("%.0f ms", us / 1e3)
                                  : us < 99.5e6 ? std::pair("%.1f s", us / 1e6)
                                                : std::pair("%.0f s", us / 1e6);
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), pattern, value);
    return text.data();
}

}  // namespace sonde
