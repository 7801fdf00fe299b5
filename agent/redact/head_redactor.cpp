#include "agent/redact/head_redactor.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "agent/redact/head_mask.hpp"

namespace sonde {
namespace {

std::string_view view(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

void mask(std::span<char> bytes) { std::fill(bytes.begin(), bytes.end(), '*'); }

void mask_findings(std::span<char> text, std::span<const Finding> findings) {
    for (const auto& [span, rule] : findings) mask(text.subspan(span.begin, span.end - span.begin));
}

// Behind the last of the separators.
void mask_last_word(std::span<char> text, std::string_view separators) {
    const auto last = view(text).find_last_of(separators);
    mask(text.subspan(last == std::string_view::npos ? 0 : last + 1));
}

// whole: its line has ended.
void redact_target(std::span<char> line, bool whole, Redactor& redactor) {
    if (view(line).starts_with("HTTP/")) return;
    const auto first = view(line).find(' ');
    if (first == std::string_view::npos) return;
    const auto last = view(line).rfind(" HTTP/");
    const bool cut = last == std::string_view::npos || last <= first;
    const auto target = line.subspan(first + 1, (cut ? line.size() : last) - first - 1);
    mask_findings(target, redactor.find_path(view(target)));
    if (cut && !whole) mask_last_word(target, "/");
}

// They frame messages: a parser must read them as before.
bool is_framing(std::string_view name) {
    constexpr std::array<std::string_view, 4> framing{"content-length", "transfer-encoding", "connection", "upgrade"};
    return std::any_of(framing.begin(), framing.end(), [&](std::string_view known) {
        return known.size() == name.size() && std::equal(name.begin(), name.end(), known.begin(), [](char a, char b) {
                   return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b;
               });
    });
}

void redact_line(std::span<char> line, bool whole, Redactor& redactor) {
    const auto colon = view(line).find(':');
    if (colon == std::string_view::npos || is_framing(view(line).substr(0, colon))) return;
    const auto value = line.subspan(colon + 1);
    mask_findings(value, redactor.find_text(view(value)));
    if (!whole) mask_last_word(value, " ");
}

}  // namespace

void redact_head(std::span<char> head, bool continued, Redactor& redactor) {
    mask_head(head, continued);
    if (continued) return;
    bool first_line = true;
    while (!head.empty()) {
        const auto newline = view(head).find('\n');
        const bool whole = newline != std::string_view::npos;
        auto line = head.first(whole ? newline : head.size());
        head = head.subspan(whole ? newline + 1 : head.size());
        if (!line.empty() && line.back() == '\r') line = line.first(line.size() - 1);
        if (line.empty()) {
            if (first_line) continue;
            return;  // the body: masked
        }
        if (first_line) {
            redact_target(line, whole, redactor);
        } else {
            redact_line(line, whole, redactor);
        }
        first_line = false;
    }
}

}  // namespace sonde
