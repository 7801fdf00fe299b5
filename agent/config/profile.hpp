#pragma once

#include <string>
#include <vector>

namespace sonde {

// A set of defaults for one kind of machine, below everything that a file, the environment or an option sets.
struct ConfigProfile {
    std::string name;
    std::string purpose;
    std::string yaml;
};

// development (the plain defaults), staging, production.
const std::vector<ConfigProfile>& config_profiles();

}  // namespace sonde
