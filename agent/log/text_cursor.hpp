#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace sonde {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_alpha(char c) { return is_upper(c) || is_lower(c); }
constexpr char to_lower(char c) { return is_upper(c) ? static_cast<char>(c + 32) : c; }

inline std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
    return text;
}

// Reads a line from left to right. Each take_* moves on only if it succeeds.
class TextCursor {
public:
    explicit TextCursor(std::string_view text) : rest_(text) {}

    [[nodiscard]] std::string_view rest() const { return rest_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
    void skip(std::size_t count) { rest_.remove_prefix(std::min(count, rest_.size())); }
    void skip_spaces() {
        while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
    }
    bool take(char c) {
        if (peek() != c || rest_.empty()) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    // What stands before `end`, which is taken too; false if there is no `end`.
    bool take_until(std::string_view end, std::string_view& out) {
        const auto at = rest_.find(end);
        if (at == std::string_view::npos) return false;
        out = rest_.substr(0, at);
        rest_.remove_prefix(at + end.size());
        return true;
    }
    // Up to the next space or the end; empty at the end.
    std::string_view take_word() {
        const auto word = rest_.substr(0, rest_.find(' '));
        rest_.remove_prefix(word.size());
        return word;
    }
    std::string_view take_digits() {
        std::size_t count = 0;
        while (count < rest_.size() && is_digit(rest_[count])) ++count;
        const auto digits = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return digits;
    }
    // The inside of "…" with backslash escapes left as they are; false if it does not begin or end.
    bool take_quoted(std::string_view& out) {
        if (peek() != '"') return false;
        std::size_t at = 1;
        while (at < rest_.size() && rest_[at] != '"') at += rest_[at] == '\\' ? 2 : 1;
        if (at >= rest_.size()) return false;
        out = rest_.substr(1, at - 1);
        rest_.remove_prefix(at + 1);
        return true;
    }

private:
    std::string_view rest_;
};

}  // namespace sonde
