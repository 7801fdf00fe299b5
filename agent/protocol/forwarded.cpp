#include "agent/protocol/forwarded.hpp"

#include <algorithm>

#include "agent/base/ascii.hpp"

namespace sonde {
namespace {

constexpr std::array<std::string_view, 3> names{"forwarded", "x-forwarded-for", "x-real-ip"};

// Cuts the part behind the last `separator` off the list; those between quotes separate nothing (RFC 7239 §4). Counting
// from the right is the same as from the left: quotes come in pairs, and an address has no escaped ones.
std::string_view take_last(std::string_view& list, char separator) {
    bool quoted = false;
    for (auto i = list.size(); i-- > 0;) {
        if (list[i] == '"') quoted = !quoted;
        if (list[i] != separator || quoted) continue;
        const auto last = list.substr(i + 1);
        list = list.substr(0, i);
        return trim_spaces(last);
    }
    const auto last = list;
    list = {};
    return trim_spaces(last);
}

// The value of for= in one element of Forwarded, without quotes.
std::string_view for_of(std::string_view element) {
    while (!element.empty()) {
        auto pair = take_last(element, ';');
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos || !equals_ignoring_case(trim_spaces(pair.substr(0, equals)), "for"))
            continue;
        auto value = trim_spaces(pair.substr(equals + 1));
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
        return value;
    }
    return {};
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80"
Endpoint address_of(std::string_view text) {
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        return end == std::string_view::npos ? Endpoint{} : parse_address(text.substr(1, end - 1));
    }
    const auto colon = text.find(':');
    const bool has_port = colon != std::string_view::npos && colon == text.rfind(':');
    return parse_address(has_port ? text.substr(0, colon) : text);
}

}  // namespace

bool ForwardedHeaders::take(std::string_view name, std::string_view value) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (!equals_ignoring_case(name, names[i])) continue;
        auto& lines = sources_[i];
        if (lines.count < lines_max) lines.values[lines.count] = value;
        lines.count = std::min(lines.count + 1, lines_max + 1);
        return true;
    }
    return false;
}

Endpoint ForwardedHeaders::client(const Endpoint& peer, const TrustedProxies& trusted) const {
    auto known = unmapped(peer);
    known.port = 0;
    if (!trusted.contains(known)) return known;
    const auto said = std::find_if(sources_.begin(), sources_.end(), [](const Lines& l) { return l.count > 0; });
    if (said == sources_.end()) return known;
    if (said->count > lines_max) return {};
    const bool is_forwarded = said == sources_.begin() + forwarded;
    for (auto line = said->count; line-- > 0;) {
        auto list = said->values[line];
        while (!list.empty()) {
            const auto element = take_last(list, ',');
            if (element.empty()) continue;  // an empty element is none (RFC 9110 §5.6.1)
            known = address_of(is_forwarded ? for_of(element) : element);
            if (known.family == 0 || !trusted.contains(known)) return known;
        }
    }
    return known;
}

}  // namespace sonde
