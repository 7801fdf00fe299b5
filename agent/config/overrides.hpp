#pragma once

#include <string>
#include <vector>

#include "agent/config/document.hpp"
#include "agent/config/field.hpp"
#include "agent/config/load.hpp"

namespace sonde {

// Puts one override over the tree. Its text is taken as it is for a single value and read as YAML for lists and maps;
// an unknown key is a finding.
void overlay_override(ConfigNode& tree, const ConfigOverride& setting, const Fields& fields,
                      std::vector<ConfigFinding>& findings);

}  // namespace sonde
