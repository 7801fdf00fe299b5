#include "sinks/delivery/field_selection.hpp"

#include <algorithm>

#include "sinks/event_json.hpp"

namespace sonde {
namespace {

// The position behind the string that opens at `at`.
std::size_t behind_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
    return at + 1;
}

// The position of the ',' or '}' that ends the value at `at` of a valid object.
std::size_t behind_value(std::string_view text, std::size_t at) {
    for (std::size_t depth = 0; at < text.size();) {
        const char c = text[at];
        if (c == '"') {
            at = behind_string(text, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) return at;
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        ++at;
    }
    return at;
}

}  // namespace

bool EventWriter::wanted(std::string_view name) const {
    if (name == "type" || name == "time") return true;
    const auto in = [name](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    return (options_.only.empty() || in(options_.only)) && !in(options_.without);
}

void EventWriter::append(std::string& out, const Record& record) {
    if (options_.only.empty() && options_.without.empty()) {
        append_event_json(out, record);
        out.pop_back();
        return;
    }
    line_.clear();
    append_event_json(line_, record);
    // The line is our own: an object without white space. Members are copied as they stand.
    const std::string_view line(line_);
    out.push_back('{');
    bool first = true;
    for (std::size_t at = 1; at < line.size() && line[at] == '"';) {
        const auto behind_name = behind_string(line, at);
        const auto end = behind_value(line, behind_name + 1);
        if (wanted(line.substr(at + 1, behind_name - at - 2))) {
            if (!first) out.push_back(',');
            first = false;
            out.append(line.substr(at, end - at));
        }
        at = end + 1;
    }
    out.push_back('}');
}

}  // namespace sonde
