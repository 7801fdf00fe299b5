#include "agent/command/terminal_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace sonde {
namespace {

std::string formatted(const char* pattern, double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), pattern, value);
    return text.data();
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out(text);
    for (auto& c : out)
        if (c < 0x20 || c > 0x7e) c = '?';
    return out;
}

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string fit_left(std::string_view text, std::size_t width) {
    const auto have = width_of(text);
    if (have <= width) return std::string(text).append(width - have, ' ');
    if (width == 0) return {};
    std::size_t bytes = 0;
    for (std::size_t columns = 0; bytes < text.size(); ++bytes)
        if ((static_cast<unsigned char>(text[bytes]) & 0xc0) != 0x80 && ++columns == width) break;
    return std::string(text.substr(0, bytes)) + "…";
}

std::string fit_right(std::string_view text, std::size_t width) {
    return std::string(width - std::min(width, width_of(text)), ' ') + std::string(text);
}

std::string readable_rate(double per_s) {
    if (per_s < 999.95) return formatted("%.1f", per_s);
    if (per_s < 9999.5) return formatted("%.0f", per_s);
    return per_s < 999.5e3 ? formatted("%.0fk", per_s / 1e3) : formatted("%.1fM", per_s / 1e6);
}

std::string readable_percent(double percent) {
    return formatted(percent > 0 && percent < 9.95 ? "%.1f" : "%.0f", percent);
}

std::string readable_bytes(double bytes) {
    constexpr std::array<const char*, 5> units{"%.0f B", "%.1f KiB", "%.1f MiB", "%.1f GiB", "%.1f TiB"};
    std::size_t unit = 0;
    for (; bytes >= 1023.95 && unit + 1 < units.size(); ++unit) bytes /= 1024;
    return formatted(units[unit], bytes);
}

std::string readable_count(double count) {
    if (count < 9999.5) return formatted("%.0f", count);
    if (count < 999.95e3) return formatted("%.1fk", count / 1e3);
    return count < 999.95e6 ? formatted("%.1fM", count / 1e6) : formatted("%.1fG", count / 1e9);
}

}  // namespace sonde
