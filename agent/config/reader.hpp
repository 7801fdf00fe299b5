#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/config/document.hpp"
#include "agent/config/field.hpp"

namespace sonde {

// Dotted key → where its value was set. Keys that nobody set are not in it.
using ConfigOrigins = std::map<std::string, SourcePlace>;

// Sets in `owner`, the struct that `fields` describe, what the tree says, and adds all that is wrong with it to
// findings (at most max_findings in all): unknown keys with the nearest known one, values of the wrong type or out of
// range, elements without what they require. What is wrong keeps its default. Files that KEY_file names are read.
void read_fields(const ConfigNode& tree, const Fields& fields, void* owner, std::vector<ConfigFinding>& findings,
                 ConfigOrigins& origins);

// "unknown key; did you mean 'x'?" for a key that stands beside those of `siblings`; root: to look elsewhere.
std::string unknown_key(const std::string& key, const Fields& siblings, const Fields& root);

}  // namespace sonde
