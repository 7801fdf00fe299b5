#include "agent/http/request.hpp"

namespace sonde {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// plus: what '+' stands for.
std::optional<std::string> decode(std::string_view text, char plus) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i] == '+' ? plus : text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high << 4 | low);
        i += 2;
    }
    return out;
}

}  // namespace

std::optional<std::string> decode_path(std::string_view path) { return decode(path, '+'); }

std::optional<Query> Query::parse(std::string_view text) {
    Query query;
    while (!text.empty()) {
        const auto end = text.find('&');
        const auto part = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (part.empty()) continue;
        const auto equals = part.find('=');
        auto name = decode(part.substr(0, equals), ' ');
        auto value = decode(equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1), ' ');
        if (!name || !value || query.parameters_.size() == max_parameters) return std::nullopt;
        query.parameters_.emplace_back(std::move(*name), std::move(*value));
    }
    return query;
}

std::optional<std::string_view> Query::get(std::string_view name) const {
    for (auto at = parameters_.rbegin(); at != parameters_.rend(); ++at)
        if (at->first == name) return at->second;
    return std::nullopt;
}

}  // namespace sonde
