#include "agent/redact/named_value.hpp"

#include <algorithm>
#include <array>

namespace sonde {
namespace {

bool is_name(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '.' || c == '-';
}
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_quote(char c) { return c == '"' || c == '\''; }

// A value is judged by its first bytes: a text made of nothing but "token:" must not cost its square.
constexpr std::size_t judged_bytes = 256;

// The name around a match, as far as one goes.
Span whole_name(std::string_view text, std::size_t at) {
    auto begin = at, end = at;
    while (begin > 0 && at - begin < FieldNames::max_name_bytes && is_name(text[begin - 1])) --begin;
    while (end < text.size() && is_name(text[end])) ++end;
    return {begin, end};
}

struct Value {
    Span span;
    bool quoted = false;
    std::size_t resume = 0;
};

// Behind a quote that stands behind `slashes` backslashes: the closing one has as many before it.
Value quoted_value(std::string_view text, std::size_t begin, char quote, std::size_t slashes) {
    std::size_t run = 0;
    for (auto i = begin; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++run;
            continue;
        }
        const bool closes = text[i] == quote && (slashes == 0 ? run % 2 == 0 : run <= slashes);
        if (closes) return {{begin, i - (slashes == 0 ? 0 : run)}, true, i + 1};
        run = 0;
    }
    return {{begin, text.size()}, true, text.size()};
}

// "[…]" or "{…}" to its end, strings skipped.
Value bracketed_value(std::string_view text, std::size_t begin) {
    std::size_t depth = 0;
    for (auto i = begin; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') {
            i = quoted_value(text, i + 1, '"', 0).resume - 1;
        } else if (c == '[' || c == '{') {
            ++depth;
        } else if ((c == ']' || c == '}') && --depth == 0) {
            return {{begin, i + 1}, true, i + 1};
        }
    }
    return {{begin, text.size()}, true, text.size()};
}

constexpr std::array<bool, 256> make_bare_ends() {
    std::array<bool, 256> ends{};
    for (const unsigned char c : {' ', '\t', '\r', '\n', '"', '\'', '&', '<', '>', '\\', '%', '\0'}) ends[c] = true;
    return ends;
}
constexpr auto bare_ends = make_bare_ends();

bool ends_bare_value(std::string_view text, std::size_t i) {
    const char c = text[i];
    if (!bare_ends[static_cast<unsigned char>(c)]) return false;
    if (c == '\\') return i + 1 < text.size() && (is_quote(text[i + 1]) || text[i + 1] == 'n' || text[i + 1] == 'r');
    return c != '%' || text.substr(i, 3) == "%26";
}

std::size_t bare_end(std::string_view text, std::size_t begin, std::size_t limit) {
    auto end = begin;
    while (end < limit && !ends_bare_value(text, end)) ++end;
    return end;
}

std::size_t trimmed(std::string_view text, std::size_t begin, std::size_t end) {
    const bool opened = text.substr(begin, end - begin).find_first_of("[{(") != std::string_view::npos;
    while (end > begin) {
        const char c = text[end - 1];
        if (c != ',' && c != ';' && (opened || (c != ')' && c != ']' && c != '}'))) break;
        --end;
    }
    return end;
}

std::size_t line_end(std::string_view text, std::size_t begin) {
    return std::min(text.find_first_of("\r\n\"", begin), text.size());
}

enum class Separator { none, assign, colon, option, tag };

// What ends the name: text[name.end … match.end).
Separator separator_of(std::string_view text, Span name, Span match) {
    const auto tail = text.substr(0, match.end);
    if (is_blank(tail.back())) return text.substr(name.begin).starts_with("--") ? Separator::option : Separator::none;
    if (tail.back() == '>' && !tail.ends_with("=>")) {
        const bool tag = name.begin > 0 && (text[name.begin - 1] == '<' || text[name.begin - 1] == ':');
        return tag ? Separator::tag : Separator::none;
    }
    if (tail.back() != ':') return Separator::assign;
    // Session::open, secret://
    const auto behind = text.substr(match.end, 2);
    return behind.starts_with(':') || behind == "//" ? Separator::none : Separator::colon;
}

}  // namespace

std::string named_value_regex(const std::vector<TellingName>& names) {
    std::string regex = "(?i)(?:";
    for (const auto& [name, telling] : names) {
        if (regex.back() != ':') regex += '|';
        for (const char c : name) c == '_' ? regex += "[_.\\-]?" : regex += c;
    }
    return regex + R"()[a-z0-9_.\-]*[\\\]"']*[ \t]*(?:=>|:=|[=:>]|%3d|[ \t]))";
}

NamedValue find_named_value(std::string_view text, Span match, const FieldNames& names) {
    const auto name = whole_name(text, match.begin);
    NamedValue found{name, {}, FieldNames::not_found, match.end};
    const auto separator = separator_of(text, name, match);
    if (separator == Separator::none) return found;
    const auto index = names.find(text.substr(name.begin, std::max(name.end, match.begin + 1) - name.begin));
    if (index == FieldNames::not_found) return found;
    auto telling = names.names()[index].telling;

    auto begin = match.end;
    while (begin < text.size() && is_blank(text[begin])) ++begin;
    auto quote = begin;
    while (quote < text.size() && text[quote] == '\\') ++quote;
    const bool name_quoted = name.end < text.size() && is_quote(text[name.end]);
    Value value;
    if (separator == Separator::tag) {
        const auto end = std::min(text.find('<', begin), text.size());
        value = {{begin, end}, true, end};
    } else if (quote < text.size() && is_quote(text[quote])) {
        value = quoted_value(text, quote + 1, text[quote], quote - begin);
    } else if (name_quoted && telling != Telling::random && begin < text.size() &&
               (text[begin] == '[' || text[begin] == '{')) {
        value = bracketed_value(text, begin);
    } else {
        const auto end = bare_end(text, begin, std::min(text.size(), begin + judged_bytes));
        value = {{begin, trimmed(text, begin, end)}, false, end};
        // "token: expected ';'" is prose, "token: 9f86d081884c7d65" is not
        if (separator == Separator::colon && telling == Telling::value && !name_quoted) telling = Telling::random;
    }
    const auto judged = text.substr(value.span.begin, std::min(judged_bytes, value.span.end - value.span.begin));
    if (!worth_hiding(judged, telling)) {
        found.resume = std::max(begin, match.end);
        return found;
    }
    const auto& rule = names.names()[index].name;
    if (!value.quoted && (rule == "authorization" || rule == "cookie")) {
        value.span.end = value.resume = line_end(text, begin);  // a scheme or several pairs, with blanks
    } else if (!value.quoted && value.resume == begin + judged_bytes) {
        value.resume = bare_end(text, value.resume, text.size());
        value.span.end = trimmed(text, begin, value.resume);
    }
    return {name, value.span, index, std::max(value.resume, match.end)};
}

}  // namespace sonde
