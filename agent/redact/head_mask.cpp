#include "agent/redact/head_mask.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace sonde {
namespace {

constexpr char mask_byte = '*';

// What replay needs, and what tells nothing about a person.
constexpr std::array<std::string_view, 14> harmless{
    "host", "content-length", "transfer-encoding", "connection", "expect", "upgrade",    "user-agent",
    "te",   "content-type",   "accept-ranges",     "date",       "server", "keep-alive", "traceparent"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// As the parser reads it: there are those who put a space before the colon.
bool is_harmless(std::string_view name) {
    name = name.substr(0, name.find_last_not_of(" \t") + 1);
    return std::any_of(harmless.begin(), harmless.end(), [&](std::string_view known) {
        return known.size() == name.size() &&
               std::equal(name.begin(), name.end(), known.begin(), [](char a, char b) { return lower(a) == b; });
    });
}

void mask(std::span<char> bytes) {
    for (auto& c : bytes)
        if (c != '\r' && c != '\n') c = mask_byte;
}

// The request-target: everything behind '?' or '#', and whatever stands before an '@' in its authority.
void mask_target(std::span<char> line) {
    const std::string_view text(line.data(), line.size());
    if (text.starts_with("HTTP/")) return;  // a status line
    const auto first = text.find(' ');
    if (first == std::string_view::npos) return;
    auto last = text.rfind(" HTTP/");
    if (last == std::string_view::npos || last < first) last = line.size();
    const auto target = text.substr(first + 1, last > first ? last - first - 1 : 0);
    if (const auto query = target.find_first_of("?#"); query != std::string_view::npos)
        mask(line.subspan(first + 1 + query + 1, target.size() - query - 1));
    const auto authority = target.substr(0, target.find_first_of("?#"));
    if (const auto at = authority.rfind('@'); at != std::string_view::npos && !authority.starts_with('/')) {
        const auto scheme = authority.find("://");
        const auto start = scheme == std::string_view::npos || scheme > at ? 0 : scheme + 3;
        mask(line.subspan(first + 1 + start, at - start));
    }
}

}  // namespace

void mask_head(std::span<char> head, bool continued) {
    if (continued) return mask(head);
    bool first_line = true;
    bool keep_fold = false;
    while (!head.empty()) {
        const auto newline = std::find(head.begin(), head.end(), '\n');
        const auto length = static_cast<std::size_t>(newline - head.begin());
        auto line = head.first(length);
        head = head.subspan(std::min(head.size(), length + 1));
        if (!line.empty() && line.back() == '\r') line = line.first(line.size() - 1);
        if (line.empty()) {
            if (first_line) continue;  // empty lines before a request line
            return mask(head);         // the body; a pipelined request goes with it
        }
        if (first_line) {
            mask_target(line);
            first_line = false;
            continue;
        }
        const bool folded = line.front() == ' ' || line.front() == '\t';
        const auto colon = std::find(line.begin(), line.end(), ':');
        const auto name_length = static_cast<std::size_t>(colon - line.begin());
        if (folded) {
            if (!keep_fold) mask(line.subspan(1));
            continue;
        }
        // a header cut before its colon is a name so far
        keep_fold = is_harmless({line.data(), name_length});
        if (colon != line.end() && !keep_fold) mask(line.subspan(name_length + 1));
    }
}

}  // namespace sonde
