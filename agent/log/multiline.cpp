#include "agent/log/multiline.hpp"

#include "agent/log/severity.hpp"
#include "agent/log/text_cursor.hpp"

namespace sonde {
namespace {

constexpr std::string_view traceback = "Traceback (most recent call last):";

bool indented(std::string_view line) { return line.starts_with(' ') || line.starts_with('\t'); }
bool blank(std::string_view line) { return trimmed(line).empty(); }

// "java.lang.IllegalStateException: …" or "ValueError: …": a type that names itself an error, up to ':' or the end
bool is_exception_line(std::string_view line, bool dotted) {
    const auto type = line.substr(0, line.find(':'));
    if (type.size() < 5 || type.size() > 200 || !is_alpha(type[0])) return false;
    for (const char c : type)
        if (!is_alpha(c) && !is_digit(c) && c != '.' && c != '_' && c != '$') return false;
    if (dotted && type.find('.') == std::string_view::npos) return false;
    return type.ends_with("Exception") || type.ends_with("Error") || type.ends_with("Throwable");
}

// "/srv/app.js:12", "file:///srv/app.mjs:12", "node:internal/…:12"
bool is_node_source(std::string_view line) {
    if (!line.starts_with('/') && !line.starts_with("file://") && !line.starts_with("node:")) return false;
    const auto colon = line.rfind(':');
    if (colon + 1 >= line.size() || line.find(' ') != std::string_view::npos) return false;
    for (const char c : line.substr(colon + 1))
        if (!is_digit(c)) return false;
    return true;
}

// "Jan 02, 2026 3:04:05 AM …", cheaply: who parses it looks at the rest
bool is_jul_head(std::string_view line) {
    const auto comma = line.substr(0, 8).find(", ");
    if (line.size() < 24 || comma == std::string_view::npos || line[3] != ' ' || !is_upper(line[0])) return false;
    const auto time = line.substr(0, 28);
    return time.find(" AM ") != std::string_view::npos || time.find(" PM ") != std::string_view::npos;
}

bool is_level_line(std::string_view line) {
    const auto colon = line.substr(0, 10).find(": ");
    return colon != std::string_view::npos && is_upper(line[0]) &&
           severity_from_word(line.substr(0, colon)) != Severity::unknown;
}

// a word of its own among the first bytes: levels stand there
bool names_quiet_level(std::string_view line) {
    const auto head = line.substr(0, 96);
    for (const std::string_view word : {"INFO", "DEBUG", "TRACE"}) {
        const auto at = head.find(word);
        if (at == std::string_view::npos) continue;
        const bool begins = at == 0 || !is_alpha(head[at - 1]);
        const bool ends = at + word.size() >= head.size() || !is_alpha(head[at + word.size()]);
        if (begins && ends) return true;
    }
    return false;
}

}  // namespace

bool MultilineRules::closed(std::string_view line) {
    line = trimmed(line);
    return line.size() > 2 && line.front() == '{' && line.back() == '}';
}

void MultilineRules::begin(std::string_view line) {
    lines_ = 1;
    state_ = State::none;
    quiet_ = names_quiet_level(line);
    if (line.empty()) return;
    switch (line.front()) {
        case 'T':
            if (line.starts_with(traceback)) state_ = State::python_frames;
            break;
        case 'p':
        case 'f':
        case 'n':
        case '/':
            if (line.starts_with("panic: ") || line.starts_with("fatal error: "))
                state_ = State::go_panic;
            else if (is_node_source(line))
                state_ = State::node_source;
            break;
        default:
            if (is_jul_head(line)) state_ = State::jul_head;
    }
}

bool MultilineRules::continues_plain(std::string_view line) {
    if (line.empty()) return false;
    if (indented(line)) return true;
    switch (line.front()) {
        case '}':
        case ']':
        case ')':
            return lines_ > 1 && trimmed(line).size() <= 3;
        case 'T':
            if (quiet_ || !line.starts_with(traceback)) break;
            state_ = State::python_frames;
            return true;
        case 'C':
            if (line.starts_with("Caused by: ")) return true;
            break;
        default:
            break;
    }
    return lines_ == 1 && !quiet_ && is_exception_line(line, true);
}

bool MultilineRules::continues_python(std::string_view line) {
    if (line.starts_with(traceback)) return state_ = State::python_frames, true;
    switch (state_) {
        case State::python_frames:
            if (!indented(line) && !line.empty()) state_ = State::python_done;
            return true;
        case State::python_done:
            if (line.empty()) return state_ = State::python_gap, true;
            return indented(line);
        case State::python_gap:
            if (!line.starts_with("During handling of the above exception") &&
                !line.starts_with("The above exception was the direct cause"))
                return false;
            state_ = State::python_between;
            return true;
        default:
            return line.empty() || indented(line);
    }
}

bool MultilineRules::continues_go(std::string_view line) const {
    if (line.empty() || indented(line)) return true;
    for (const std::string_view start :
         {"goroutine ", "created by ", "[signal ", "exit status ", "panic: ", "runtime: ", "runtime stack:", "..."})
        if (line.starts_with(start)) return true;
    // a frame: "main.handler(0xc000, …)", "net/http.(*conn).serve(…)"; prose has spaces before its brackets
    const auto bracket = line.find('(');
    return bracket != std::string_view::npos && line.ends_with(')') && line.find('.') < line.size() &&
           line.substr(0, bracket).find(' ') == std::string_view::npos;
}

bool MultilineRules::continues_node(std::string_view line) {
    switch (state_) {
        case State::node_source:
            if (trimmed(line).starts_with('^'))
                state_ = State::node_caret;
            else if (++lines_ > 4)
                return state_ = State::none, continues_plain(line);
            return true;
        case State::node_caret:
            if (blank(line)) return true;
            state_ = State::node_frames;
            return is_exception_line(line, false) || line.starts_with("Error") || line.starts_with("Uncaught ");
        default:
            if (line.starts_with("Node.js v")) return state_ = State::none, true;
            return blank(line) || indented(line) || line == "}";
    }
}

bool MultilineRules::continues(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    bool taken = false;
    if (lines_ > 0) {
        switch (state_) {
            case State::none:
                taken = continues_plain(line);
                break;
            case State::python_frames:
            case State::python_done:
            case State::python_gap:
            case State::python_between:
                taken = continues_python(line);
                break;
            case State::go_panic:
                taken = continues_go(line);
                break;
            case State::node_source:
            case State::node_caret:
            case State::node_frames:
                taken = continues_node(line);
                break;
            case State::jul_head:
                state_ = State::none;
                taken = is_level_line(line) || continues_plain(line);
                break;
        }
    }
    if (taken)
        ++lines_;
    else
        begin(line);
    return taken;
}

}  // namespace sonde
