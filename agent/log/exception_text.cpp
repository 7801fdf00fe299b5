#include "agent/log/exception_text.hpp"

#include "agent/log/text_cursor.hpp"

namespace sonde {
namespace {

constexpr std::string_view python_head = "Traceback (most recent call last):";

std::string_view line_at(std::string_view text, std::size_t begin) {
    auto line = text.substr(begin, text.substr(begin).find('\n'));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

void set(std::string_view& member, std::string_view value) {
    if (member.empty()) member = value;
}

bool is_type_char(char c) { return is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '$'; }

// "pkg.Error: message" or "KeyboardInterrupt"; false: it begins with no type
bool take_type(std::string_view line, LogException& exception) {
    constexpr std::string_view prefixes[] = {"Exception in thread \"", "Uncaught ", "Caused by: "};
    for (const auto prefix : prefixes) {
        if (!line.starts_with(prefix)) continue;
        line.remove_prefix(prefix.size());
        if (prefix.ends_with('"')) line.remove_prefix(std::min(line.find("\" ") + 2, line.size()));
    }
    std::size_t size = 0;
    while (size < line.size() && is_type_char(line[size])) ++size;
    if (size == 0 || !is_alpha(line[0])) return false;
    auto rest = line.substr(size);
    // Node writes the code of its own errors between: "Error [ERR_X]: message"
    if (rest.starts_with(" [")) rest.remove_prefix(std::min(rest.find(']') + 1, rest.size()));
    if (!rest.empty() && !rest.starts_with(':')) return false;
    set(exception.type, line.substr(0, size));
    if (rest.size() > 1) set(exception.message, trimmed(rest.substr(1)));
    return true;
}

// The last traceback's first line without indent: the exception. Multi-line messages follow it.
bool find_python(std::string_view text, LogException& exception) {
    const auto begin = text.find(python_head);
    if (begin == std::string_view::npos) return false;
    set(exception.stack, text.substr(begin));
    auto at = text.find('\n', text.rfind(python_head));
    while (at != std::string_view::npos) {
        const auto line = line_at(text, at + 1);
        if (!line.empty() && line[0] != ' ' && line[0] != '\t' && line[0] != '|') {
            take_type(line, exception);
            break;
        }
        at = text.find('\n', at + 1);
    }
    return true;
}

bool find_go(std::string_view text, LogException& exception) {
    if (text.find("\ngoroutine ") == std::string_view::npos) return false;
    for (std::size_t begin = 0;;) {
        const auto line = line_at(text, begin);
        const bool panic = line.starts_with("panic: "), fatal = line.starts_with("fatal error: ");
        if (panic || fatal) {
            set(exception.type, line.substr(0, panic ? 5 : 11));
            set(exception.message, line.substr(panic ? 7 : 13));
            set(exception.stack, text.substr(begin));
            return true;
        }
        const auto next = text.find('\n', begin);
        if (next == std::string_view::npos) return false;
        begin = next + 1;
    }
}

// Java and Node: the line above the first "at …"
bool find_at(std::string_view text, LogException& exception) {
    std::size_t begin = 0, above = 0;
    bool first = true;
    while (true) {
        const auto line = line_at(text, begin);
        if (!first && line.size() > 3 && (line[0] == '\t' || line[0] == ' ') && trimmed(line).starts_with("at ")) {
            set(exception.stack, text.substr(above));
            take_type(line_at(text, above), exception);
            return true;
        }
        // a message of several lines stands between the type and the frames: the last line with a type counts
        LogException probe;
        if (first || take_type(line, probe)) above = begin;
        first = false;
        const auto next = text.find('\n', begin);
        if (next == std::string_view::npos) return false;
        begin = next + 1;
    }
}

}  // namespace

bool find_exception(std::string_view text, LogException& exception) {
    return find_python(text, exception) || find_go(text, exception) || find_at(text, exception);
}

}  // namespace sonde
