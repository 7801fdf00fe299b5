#include "sinks/net/retry_after.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <string>

namespace sonde {
namespace {

constexpr std::uint64_t longest_s = 86'400;
constexpr std::size_t longest_text = 64;  // an HTTP date has 29 to 33 characters
constexpr std::uint64_t ms_per_s = 1000;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

}  // namespace

std::optional<std::uint64_t> parse_retry_after_ms(std::string_view text, std::int64_t now_s) {
    text = trimmed(text);
    if (text.empty()) return std::nullopt;
    if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
        std::uint64_t seconds = 0;
        for (const char c : text) seconds = std::min(longest_s, seconds * 10 + static_cast<std::uint64_t>(c - '0'));
        return seconds * ms_per_s;
    }
    // A date begins with the name of a day; curl would take bare numbers and time zones for dates, too.
    const bool letter = (text.front() >= 'A' && text.front() <= 'Z');
    if (!letter || text.size() > longest_text || text.find('\0') != std::string_view::npos) return std::nullopt;
    if (text.find(':') == std::string_view::npos) return std::nullopt;
    const auto when = static_cast<std::int64_t>(::curl_getdate(std::string(text).c_str(), nullptr));
    if (when < 0) return std::nullopt;
    if (when <= now_s) return 0;
    return std::min(longest_s, static_cast<std::uint64_t>(when - now_s)) * ms_per_s;
}

}  // namespace sonde
