#include "agent/route/route_table.hpp"

#include <algorithm>

namespace sonde {
namespace {

constexpr std::size_t long_segment = 48;    // longer than any word in a path that a person wrote
constexpr std::size_t max_segments = 12;    // deeper paths end in {rest}
constexpr std::size_t hash_digits_min = 12;
constexpr std::size_t token_min = 20;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_uuid(std::string_view s) {
    if (s.size() != 36) return false;
    for (std::size_t i = 0; i < s.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !is_hex(s[i])) return false;
    }
    return true;
}

// 2026-01-02, optionally with a time behind it
bool is_date(std::string_view s) {
    if (s.size() < 10) return false;
    for (std::size_t i = 0; i < 10; ++i)
        if (i == 4 || i == 7 ? s[i] != '-' : !is_digit(s[i])) return false;
    return s.size() == 10 || s[10] == 'T' || s[10] == 't';
}

bool is_email(std::string_view s) {
    auto at = s.find('@');
    std::size_t mark = 1;
    if (at == std::string_view::npos) at = s.find("%40"), mark = 3;
    return at != std::string_view::npos && at > 0 && s.find('.', at + mark) != std::string_view::npos;
}

// Letters and digits mixed the way only generated values are: many changes between the two, or just long.
bool is_token(std::string_view s) {
    if (s.size() < token_min) return false;
    std::size_t digits = 0, changes = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (!is_digit(s[i]) && !is_alpha(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '=' && s[i] != '.') return false;
        digits += is_digit(s[i]) ? 1 : 0;
        changes += i > 0 && is_digit(s[i]) != is_digit(s[i - 1]) ? 1 : 0;
    }
    return digits >= 4 && changes >= 4;
}

// "42", "-7", "1,2,3", "12345.json" keeps its ending outside
bool is_number(std::string_view s) {
    bool digit = false;
    for (const char c : s) {
        if (is_digit(c))
            digit = true;
        else if (c != '-' && c != ',' && c != '.' && c != '+')
            return false;
    }
    return digit;
}

// "order-12345", "user_42": a word with a number of its own
bool is_word_with_id(std::string_view s) {
    const auto cut = s.find_last_not_of("0123456789");
    if (cut == std::string_view::npos || cut + 1 == s.size()) return false;
    return (s[cut] == '-' || s[cut] == '_') && s.size() - cut - 1 >= 3;
}

bool is_version(std::string_view s) {
    return s.size() >= 2 && s.size() <= 4 && (s[0] == 'v' || s[0] == 'V') &&
           std::all_of(s.begin() + 1, s.end(), [](char c) { return is_digit(c) || c == '.'; });
}

}  // namespace

std::string_view segment_placeholder(std::string_view s) {
    if (s.empty() || is_version(s)) return {};
    if (!std::all_of(s.begin(), s.end(), [](char c) { return c > ' ' && c < '\x7f'; })) return "{token}";
    if (is_date(s)) return "{date}";
    if (is_number(s)) return "{id}";
    if (is_uuid(s)) return "{uuid}";
    if (is_email(s)) return "{email}";
    const bool hex = std::all_of(s.begin(), s.end(), is_hex);
    if (hex && s.size() >= hash_digits_min && std::any_of(s.begin(), s.end(), is_digit)) return "{hash}";
    if (is_word_with_id(s)) return "{id}";
    if (s.size() > long_segment || is_token(s)) return "{token}";
    return {};
}

std::string_view RouteTable::route(std::string_view service, std::string_view path) {
    const auto hash = std::hash<std::string_view>{}(path) ^ (reinterpret_cast<std::uintptr_t>(service.data()) >> 4);
    auto& cached = cache_[hash % cache_.size()];
    if (cached.service.data() == service.data() && !cached.route.empty() && cached.path.view() == path)
        return cached.route;
    const auto found = look_up(service, path);
    cached.path.assign(path);
    cached.service = service;
    cached.route = cached.path.cut() ? std::string_view{} : found;
    return found;
}

std::string_view RouteTable::look_up(std::string_view service, std::string_view path) {
    make_template(path);
    auto& known = services_[service];
    if (const auto at = known.routes.find(template_); at != known.routes.end()) return *at;
    // a place of the path with very many words holds names, not words
    const auto last = template_.rfind('/');
    if (last != std::string::npos && last + 1 < template_.size() && template_[last + 1] != '{') {
        auto parent = template_.substr(0, last + 1);
        auto at = known.children.find(parent);
        if (at == known.children.end()) {
            if (known.children.size() >= limits_.max_routes_per_service) return overflow();
            at = known.children.emplace(std::move(parent), 0).first;
        }
        if (at->second >= limits_.max_children) {
            template_.resize(last + 1);
            template_ += "{name}";
            if (const auto named = known.routes.find(template_); named != known.routes.end()) return *named;
        } else {
            ++at->second;
        }
    }
    const auto count = count_.load(std::memory_order_relaxed);
    if (count >= limits_.max_routes || known.routes.size() >= limits_.max_routes_per_service) return overflow();
    count_.store(count + 1, std::memory_order_relaxed);
    return *known.routes.insert(template_).first;
}

std::string_view RouteTable::overflow() {
    overflows_.store(overflows_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return overflow_route;
}

void RouteTable::make_template(std::string_view path) {
    template_.clear();
    if (path.empty() || path.front() != '/') {
        template_ = path == "*" ? "*" : path.empty() ? "/" : "{token}";
        return;
    }
    std::size_t segments = 0;
    while (!path.empty()) {
        path.remove_prefix(1);  // the slash
        const auto segment = path.substr(0, path.find('/'));
        path.remove_prefix(segment.size());
        template_ += '/';
        if (++segments > max_segments) {
            template_ += "{rest}";
            return;
        }
        const auto placeholder = segment_placeholder(segment);
        if (!placeholder.empty()) {
            template_ += placeholder;
            continue;
        }
        // "app.3f2a9c81d4e5.js": the middle is a hash, the ending says what it is
        const auto dot = segment.rfind('.');
        const auto stem = segment.substr(0, dot);
        const auto inner = dot == std::string_view::npos ? std::string_view{} : segment_placeholder(stem);
        if (!inner.empty()) {
            template_ += inner;
            template_ += segment.substr(dot);
        } else {
            template_ += segment;
        }
    }
}

}  // namespace sonde
