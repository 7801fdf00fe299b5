#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Text for a terminal: what strangers wrote made harmless, numbers as people read them, columns that stay in line.

#include "agent/base/readable_duration.hpp"

namespace sonde {

// Every byte that is not printable ASCII as '?': no escape sequence, no mark of direction reaches the terminal.
std::string printable(std::string_view text);

// Columns that the text takes: UTF-8 continuation bytes take none. For text of our own.
std::size_t width_of(std::string_view text);

// Exactly `width` columns; what is longer is cut, with an ellipsis.
std::string fit_left(std::string_view text, std::size_t width);
// At least `width` columns; never cut.
std::string fit_right(std::string_view text, std::size_t width);

std::string readable_rate(double per_s);       // "13.8", "1200", "45k"
std::string readable_percent(double percent);  // "0", "1.5", "33"
std::string readable_bytes(double bytes);      // "512 B", "1.5 KiB", "2.0 GiB"
std::string readable_count(double count);      // "999", "12.3k", "4.5M"

}  // namespace sonde
