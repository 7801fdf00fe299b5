#include "agent/config/unit.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace sonde {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t factor;
};

// From the largest to the smallest: the first that divides a quantity is the one to show it in.
constexpr std::array<Unit, 8> durations{{{"d", 86'400'000'000'000},
                                         {"h", 3'600'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"s", 1'000'000'000},
                                         {"ms", 1'000'000},
                                         {"us", 1'000},
                                         {"µs", 1'000},
                                         {"ns", 1}}};
constexpr std::array<Unit, 10> sizes{{{"TiB", 1LL << 40},
                                      {"TB", 1'000'000'000'000},
                                      {"GiB", 1LL << 30},
                                      {"GB", 1'000'000'000},
                                      {"MiB", 1LL << 20},
                                      {"MB", 1'000'000},
                                      {"KiB", 1LL << 10},
                                      {"kB", 1'000},
                                      {"KB", 1'000},
                                      {"B", 1}}};

// Digits with a fraction or without, then a unit of the list.
std::optional<std::int64_t> parse_quantity(std::string_view text, std::span<const Unit> units) {
    const auto digits = text.find_first_not_of("0123456789.");
    const auto number = parse_real(text.substr(0, digits));
    if (!number || text.starts_with('.')) return std::nullopt;
    auto name = digits == std::string_view::npos ? std::string_view{} : text.substr(digits);
    if (name.starts_with(' ')) name.remove_prefix(1);
    for (const auto& unit : units) {
        if (unit.name != name) continue;
        // whole numbers stay exact beyond 2^53
        if (const auto whole = parse_integer(text.substr(0, digits))) {
            std::int64_t product = 0;
            if (__builtin_mul_overflow(*whole, unit.factor, &product)) return std::nullopt;
            return product;
        }
        const double product = std::round(*number * static_cast<double>(unit.factor));
        if (product >= 0x1p63) return std::nullopt;
        return static_cast<std::int64_t>(product);
    }
    return std::nullopt;
}

std::string format_quantity(std::int64_t quantity, std::span<const Unit> units, std::string_view when_zero) {
    if (quantity == 0) return std::string(when_zero);
    for (const auto& unit : units)
        if (quantity % unit.factor == 0) return std::to_string(quantity / unit.factor).append(unit.name);
    return std::to_string(quantity);
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<double> parse_real(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
        return std::nullopt;
    return value;
}

std::string format_real(double number) {
    std::array<char, 32> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    return {text.data(), end};
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
    if (text == "0") return 0;
    return parse_quantity(text, durations);
}

std::string format_duration(std::int64_t ns) { return format_quantity(ns, durations, "0s"); }

std::optional<std::int64_t> parse_size(std::string_view text) {
    if (const auto bytes = parse_integer(text)) return *bytes < 0 ? std::nullopt : bytes;
    return parse_quantity(text, sizes);
}

std::string format_size(std::int64_t bytes) { return format_quantity(bytes, sizes, "0B"); }

std::optional<std::int64_t> parse_rate(std::string_view text) {
    if (text == "0") return 0;
    if (!text.ends_with("/s")) return std::nullopt;
    return parse_size(text.substr(0, text.size() - 2));
}

std::string format_rate(std::int64_t bytes_per_second) { return format_size(bytes_per_second) + "/s"; }

}  // namespace sonde
