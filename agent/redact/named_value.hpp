#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "agent/redact/field_name.hpp"
#include "agent/redact/pattern.hpp"

// Values behind a telling name in free text:
//
//   password=hunter2   "apiKey": "…"   \"token\":\"…\" (JSON in JSON)   {'secret': '…'}   DB_PASSWORD=…
//   --password hunter2   <password>…</password>   user[password]=…   password%3Dhunter2   "secrets": ["…", "…"]
namespace sonde {

// RE2 expression for a telling name and the separator behind it. The value is found by find_named_value(): a counted
// or nested expression for it would not stay linear.
std::string named_value_regex(const std::vector<TellingName>& names);

struct NamedValue {
    Span name;
    Span value;                                 // empty: nothing to hide
    std::size_t index = FieldNames::not_found;  // index into names.names()
    std::size_t resume = 0;                     // where to search on
};

// match: what named_value_regex() matched in text.
NamedValue find_named_value(std::string_view text, Span match, const FieldNames& names);

}  // namespace sonde
