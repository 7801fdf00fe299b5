#include "agent/log/severity.hpp"
#include "agent/log/text_cursor.hpp"
#include "agent/log/text_formats.hpp"

namespace sonde {
namespace {

bool is_logger_name(std::string_view word) {
    if (word.empty() || !(is_alpha(word[0]) || word[0] == '_')) return false;
    for (const char c : word)
        if (!(is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '-' || c == ':' || c == '/' || c == '$'))
            return false;
    return true;
}

// INFO, [INFO] or "INFO    "; only capitals: a message may well begin with "error"
bool take_level(std::string_view word, LogRecord& record) {
    word = trimmed(word);
    if (word.size() > 2 && word.front() == '[' && word.back() == ']') word = trimmed(word.substr(1, word.size() - 2));
    if (word.size() < 4 || !is_upper(word.front()) || !is_upper(word.back())) return false;
    record.severity = severity_from_word(word);
    if (record.severity == Severity::unknown) return false;
    record.severity_text = word;
    return true;
}

// LEVEL:logger:message, what logging.basicConfig() writes
bool parse_default(std::string_view line, LogRecord& record) {
    const auto first = line.substr(0, 10).find(':');
    if (first == std::string_view::npos || !take_level(line.substr(0, first), record)) return false;
    const auto second = line.find(':', first + 1);
    if (second == std::string_view::npos || !is_logger_name(line.substr(first + 1, second - first - 1))) return false;
    record.logger = line.substr(first + 1, second - first - 1);
    record.message = line.substr(second + 1);
    return true;
}

// name - LEVEL - message, LEVEL - message, LEVEL - name - message; loguru: LEVEL | module:function:line - message
bool parse_divided(std::string_view rest, std::string_view divider, LogRecord& record) {
    std::string_view fields[4];
    std::size_t count = 0, level = 4;
    TextCursor at(rest);
    while (count < 4 && at.take_until(divider, fields[count])) {
        if (take_level(fields[count++], record)) {
            level = count - 1;
            break;
        }
    }
    if (level == 4) return false;
    if (level > 0) {
        record.logger = trimmed(fields[0]);
        for (std::size_t i = 1; i < level; ++i)
            record.add_attribute(i == 1 ? "field_2" : "field_3", trimmed(fields[i]));
    } else {
        auto behind = at;
        std::string_view name;
        if (behind.take_until(" - ", name) && is_logger_name(trimmed(name))) record.logger = trimmed(name), at = behind;
    }
    record.message = at.rest();
    return true;
}

// Flask: "LEVEL in module: message"; "LEVEL [name] message", "LEVEL name: message", "LEVEL a.b.c message"
void take_logger(TextCursor at, LogRecord& record) {
    at.skip_spaces();
    if (at.take("- ")) at.skip_spaces();
    record.message = at.rest();
    auto behind = at;
    std::string_view name;
    if (behind.take("in ") && behind.take_until(": ", name) && is_logger_name(name)) {
        record.logger = name, record.message = behind.rest();
        return;
    }
    behind = at;
    if (behind.take('[') && behind.take_until("] ", name) && is_logger_name(name)) {
        record.logger = name, record.message = behind.rest();
        return;
    }
    behind = at;
    name = behind.take_word();
    const bool colon = name.ends_with(':');
    if (colon) name.remove_suffix(1);
    if (behind.take(' ') && is_logger_name(name) && (colon || name.find('.') != std::string_view::npos)) {
        record.logger = name;
        behind.take("- ");
        record.message = behind.rest();
    }
}

// Celery: [2026-01-02 03:04:05,678: INFO/MainProcess] message
bool parse_celery(TextCursor at, LogRecord& record) {
    std::string_view level, process;
    if (!at.take(": ") || !at.take_until("/", level) || !take_level(level, record)) return false;
    if (!at.take_until("] ", process)) return false;
    record.thread = process;
    record.message = at.rest();
    return true;
}

bool parse_behind_time(TextCursor at, bool bracket, LogRecord& record) {
    if (bracket) {
        if (at.peek() == ':') return parse_celery(at, record);
        if (!at.take(']')) return false;
    }
    if (at.take(" - ")) return parse_divided(at.rest(), " - ", record);
    if (at.take(" | ")) return parse_divided(at.rest(), " | ", record);
    // Spring Boot's, which begins the same way
    if (at.rest().substr(0, 48).find(" --- [") != std::string_view::npos) return false;
    at.skip_spaces();
    // the level is the first or second word: "name LEVEL message" is as common as "LEVEL name message"
    auto ahead = at;
    auto word = ahead.take_word();
    if (word.ends_with(':')) word.remove_suffix(1);
    if (take_level(word, record)) {
        take_logger(ahead, record);
        return true;
    }
    if (word.empty() || !is_logger_name(word)) return false;
    ahead.skip_spaces();
    auto level = ahead.take_word();
    if (level.ends_with(':')) level.remove_suffix(1);
    if (!take_level(level, record)) return false;
    record.logger = word;
    ahead.skip_spaces();
    ahead.take("- ");
    record.message = ahead.rest();
    return true;
}

// Django's verbose form: LEVEL 2026-01-02 03:04:05,678 module pid thread message
bool parse_level_first(std::string_view line, TimeParser& times, LogRecord& record) {
    TextCursor at(line);
    if (!take_level(at.take_word(), record) || !at.take(' ')) return false;
    at.skip_spaces();
    const auto time = times.date_time(at.rest());
    at.skip(time.used);
    if (!time || !at.take(' ')) return false;
    record.time_ns = time.ns;
    const auto name = at.take_word();
    if (!is_logger_name(name) || !at.take(' ')) return false;
    record.logger = name;
    auto ahead = at;
    const auto pid = ahead.take_digits();
    const bool space = ahead.take(' ');
    const auto thread = ahead.take_digits();
    if (!pid.empty() && space && !thread.empty() && ahead.take(' ')) {
        record.add_attribute("pid", pid, AttributeType::number);
        record.thread = thread;
        at = ahead;
    }
    record.message = at.rest();
    return true;
}

}  // namespace

bool parse_python(std::string_view line, TimeParser& times, LogRecord& record) {
    record.format = LogFormat::python;
    if (line.empty()) return false;
    if (is_upper(line.front())) return parse_default(line, record) || parse_level_first(line, times, record);
    TextCursor at(line);
    const bool bracket = at.take('[');
    const auto time = times.date_time(at.rest());
    if (!time) return false;
    at.skip(time.used);
    record.time_ns = time.ns;
    return parse_behind_time(at, bracket, record);
}

void parse_plain(std::string_view line, TimeParser& times, LogRecord& record) {
    record.format = LogFormat::plain;
    record.message = line;
    TextCursor at(line);
    const bool bracket = at.take('[');
    auto time = times.date_time(at.rest());
    if (!time) time = times.clf(at.rest());
    if (time && !is_digit(time.used < at.rest().size() ? at.rest()[time.used] : ' ')) {
        record.time_ns = time.ns;
        at.skip(time.used);
        if (bracket) at.take(']');
        at.skip_spaces();
        record.message = at.rest();
    } else {
        at = TextCursor(line);
    }
    constexpr int level_words = 4;
    for (int i = 0; i < level_words && !at.at_end(); ++i) {
        at.skip_spaces();
        auto word = at.take_word();
        if (word.ends_with(':')) word.remove_suffix(1);
        if (take_level(word, record)) return;
    }
}

}  // namespace sonde
