#include "agent/log/message_template.hpp"

#include <algorithm>
#include <cstring>

#include "agent/base/text_hash.hpp"
#include "agent/log/text_cursor.hpp"

namespace sonde {
namespace {

constexpr std::string_view placeholder = "<*>";

// bytes of words: letters, digits, '_' and everything that is not ASCII
constexpr auto word_bytes = [] {
    std::array<std::uint8_t, 256> table{};
    for (std::size_t i = 0; i < 256; ++i) {
        const auto c = static_cast<char>(i);
        table[i] = is_digit(c) ? 2 : (is_alpha(c) || c == '_' || i >= 0x80) ? 1 : 0;
    }
    return table;
}();

std::uint8_t kind(char c) { return word_bytes[static_cast<unsigned char>(c)]; }

// Between two placeholders these say nothing: 10.0.0.1:80, 2026-01-02T03:04:05, a/1/2
bool is_glue(std::string_view text) {
    return text.size() == 1 && std::string_view(".:-/,+@#").find(text[0]) != std::string_view::npos;
}

// Where the quoted part that begins at `at` ends, behind the quote; 0: it is an apostrophe, or it does not end.
std::size_t quoted_end(std::string_view text, std::size_t at) {
    const char quote = text[at];
    if (quote != '"' && quote != '\'' && quote != '`') return 0;
    if (at > 0 && kind(text[at - 1]) != 0) return 0;
    const auto end = text.find(quote, at + 1);
    if (end == std::string_view::npos) return 0;
    if (quote == '\'' && end + 1 < text.size() && kind(text[end + 1]) != 0) return 0;
    return end + 1;
}

}  // namespace

MessageTemplate::MessageTemplate(std::string_view message) {
    const auto text = message.substr(0, std::min(message.find('\n'), input_max));
    const auto put = [this](std::string_view part) {
        const auto count = std::min(part.size(), size_max - size);
        std::memcpy(bytes.data() + size, part.data(), count);
        size += count;
    };
    std::size_t gap = 0;        // where the text since the last word began
    std::size_t glue_from = 0;  // size of the template behind the last placeholder; 0: a word came since
    for (std::size_t at = 0; at < text.size() && size < size_max;) {
        std::size_t end = quoted_end(text, at);
        bool variable = end > 0;
        if (!variable) {
            if (kind(text[at]) == 0) {
                ++at;
                continue;
            }
            std::uint8_t seen = 0;
            for (end = at; end < text.size() && kind(text[end]) != 0; ++end) seen |= kind(text[end]);
            variable = (seen & 2) != 0;
        }
        const auto between = text.substr(gap, at - gap);
        if (variable && glue_from > 0 && is_glue(between)) {
            // one placeholder for both
        } else {
            put(between);
            put(variable ? placeholder : text.substr(at, end - at));
        }
        glue_from = variable ? size : 0;
        at = gap = end;
    }
    if (size < size_max) put(text.substr(std::min(gap, text.size())));
}

std::uint64_t MessageTemplate::hash() const { return text_hash({bytes.data(), size}); }

}  // namespace sonde
