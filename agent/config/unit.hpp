#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Quantities as people write them. Pure functions; any thread. Nothing when the text is no such quantity or does not
// fit 63 bits.
namespace sonde {

// A number and one unit, ns, us (µs), ms, s, m, h or d: "250ms", "1.5s", "2h". "0" needs no unit. In nanoseconds.
std::optional<std::int64_t> parse_duration(std::string_view text);
// The largest unit that divides it: 90000000000 ns are "90s", 7200000000000 "2h", 0 "0s".
std::string format_duration(std::int64_t ns);

// A number and one unit, B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (of 1024): "64KiB", "1.5GB". A bare
// number counts bytes.
std::optional<std::int64_t> parse_size(std::string_view text);
std::string format_size(std::int64_t bytes);

// A size per second: "10MB/s".
std::optional<std::int64_t> parse_rate(std::string_view text);
std::string format_rate(std::int64_t bytes_per_second);

// The whole text as a decimal number.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_real(std::string_view text);  // finite
std::string format_real(double number);

}  // namespace sonde
