#pragma once

#include <string>
#include <string_view>

// Label values come from requests: one byte that is not UTF-8 makes Prometheus refuse a whole scrape.
namespace sonde {

// Valid UTF-8 without control characters.
bool is_clean_label(std::string_view s);
// s with every byte that a label must not hold as '_'.
std::string clean_label(std::string_view s);

}  // namespace sonde
