// Request headers that are lists: Accept, Accept-Encoding, If-None-Match (RFC 9110, sections 5.6.1 and 12).
#pragma once

#include <algorithm>
#include <string_view>

namespace sonde {

inline std::string_view trimmed_blanks(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Calls visit with each element of a list, without blanks around it, until it returns true.
template <typename Visit>
bool any_element(std::string_view list, char separator, Visit visit) {
    while (!list.empty()) {
        const auto end = std::min(list.find(separator), list.size());
        if (visit(trimmed_blanks(list.substr(0, end)))) return true;
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return false;
}

// Does an element of the header say `wanted`, or "*" if `any` is given for that, with a weight that is not zero?
inline bool accepts(std::string_view header, std::string_view wanted, std::string_view any = {}) {
    return any_element(header, ',', [&](std::string_view element) {
        const auto semicolon = std::min(element.find(';'), element.size());
        const auto value = trimmed_blanks(element.substr(0, semicolon));
        const bool refused = any_element(element.substr(semicolon), ';', [](std::string_view parameter) {
            return parameter.starts_with("q=0") && parameter.find_first_not_of("0.", 2) == std::string_view::npos;
        });
        return !refused && (value == wanted || (!any.empty() && value == any));
    });
}

}  // namespace sonde
