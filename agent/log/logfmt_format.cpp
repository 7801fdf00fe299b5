#include "agent/log/record_fields.hpp"
#include "agent/log/text_cursor.hpp"
#include "agent/log/text_formats.hpp"

namespace sonde {
namespace {

bool is_key_char(char c) {
    return is_digit(c) || is_alpha(c) || c == '_' || c == '.' || c == '-' || c == '@' || c == '/' || c == ':';
}

std::string_view take_key(TextCursor& at) {
    std::size_t size = 0;
    const auto rest = at.rest();
    while (size < rest.size() && is_key_char(rest[size])) ++size;
    at.skip(size);
    return rest.substr(0, size);
}

char unescaped(char c) {
    switch (c) {
        case 'n':
            return '\n';
        case 't':
            return '\t';
        case 'r':
            return '\r';
        default:
            return c;
    }
}

// As Go's strconv.Quote writes; \u and \x escapes, which it uses for what is not printable, stay as they are.
std::string_view decoded(std::string_view inside, TextArena& text) {
    if (inside.find('\\') == std::string_view::npos) return inside;
    char* const place = text.allocate(inside.size());
    char* out = place;
    for (std::size_t i = 0; i < inside.size(); ++i) {
        const bool escape = inside[i] == '\\' && i + 1 < inside.size() && inside[i + 1] != 'u' && inside[i + 1] != 'x';
        *out++ = escape ? unescaped(inside[++i]) : inside[i];
    }
    text.trim(out);
    return {place, static_cast<std::size_t>(out - place)};
}

bool is_number(std::string_view text) {
    std::size_t digits = 0, dots = 0;
    for (std::size_t i = text.starts_with('-') ? 1 : 0; i < text.size(); ++i) {
        if (is_digit(text[i]))
            ++digits;
        else if (text[i] != '.' || ++dots > 1)
            return false;
    }
    return digits > 0;
}

}  // namespace

bool parse_logfmt(std::string_view line, TimeParser& times, LogRecord& record) {
    TextCursor at(line);
    RecordFields fields(record, times);
    std::size_t pairs = 0, bare = 0;
    for (at.skip_spaces(); !at.at_end(); at.skip_spaces()) {
        const auto key = take_key(at);
        if (key.empty()) return false;
        if (!at.take('=')) {
            // prose has more bare words than pairs
            if ((!at.at_end() && at.peek() != ' ') || ++bare > pairs) return false;
            fields.take(key, "true", AttributeType::boolean);
            continue;
        }
        std::string_view value;
        if (at.peek() == '"') {
            if (!at.take_quoted(value) || (!at.at_end() && at.peek() != ' ')) return false;
            fields.take(key, decoded(value, record.text), AttributeType::string);
        } else {
            value = at.take_word();
            fields.take(key, value, is_number(value) ? AttributeType::number : AttributeType::string);
        }
        ++pairs;
    }
    // without a time, level or message it takes more to be sure: Heroku's router writes none of them
    constexpr std::size_t sure_pairs = 4;
    if (pairs < 2 || (!fields.log_like() && (pairs < sure_pairs || bare > 0))) return false;
    record.format = LogFormat::logfmt;
    return true;
}

}  // namespace sonde
