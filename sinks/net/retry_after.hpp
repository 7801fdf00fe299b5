#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sonde {

// Retry-After (RFC 9110 §10.2.3) in milliseconds from now: seconds, or one of the three forms of an HTTP date. A date
// that has passed is 0; nullopt: neither. now_s: seconds since 1970. At most a day.
std::optional<std::uint64_t> parse_retry_after_ms(std::string_view text, std::int64_t now_s);

}  // namespace sonde
