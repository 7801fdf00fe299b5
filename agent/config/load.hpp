#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/config/finding.hpp"
#include "agent/config/reader.hpp"

namespace sonde {

// One setting from the command line, over file and environment.
struct ConfigOverride {
    std::string key;     // "sampling.head_rate"
    std::string text;    // "0.1"; of lists and maps YAML ("[a, b]"), of lists of texts also "a,b"
    std::string origin;  // what errors call it: "--set sampling.head_rate=0.1", "--listen"
};

// Where a configuration comes from; each over the one before: defaults, profile, file, environment, overrides.
struct ConfigRequest {
    std::string file{};  // empty: none
    std::vector<std::pair<std::string, std::string>> environment{};
    std::vector<ConfigOverride> overrides{};
};

struct LoadedConfig {
    Config config;
    std::vector<ConfigFinding> findings;  // everything that is wrong; not empty: config must not be used
    ConfigOrigins origins;                // dotted key → where it was set, of what was set
};

// Reads, checks, and checks what sections need together; files that keys name are read too. Any thread.
LoadedConfig load_config(const ConfigRequest& request);

// SONDE_A__B=… of an environment: variables that begin with SONDE_ and either hold "__" or name a setting that stands
// at the top. Others are not ours: orchestrators add SONDE_SERVICE_HOST and the like for a service of this name.
std::vector<std::pair<std::string, std::string>> config_environment(const char* const* environment);
// "sampling.head_rate" → "SONDE_SAMPLING__HEAD_RATE"
std::string environment_name(const std::string& key);

// "a.b=c" as an override; nothing before '=': the key is empty.
ConfigOverride parse_set(const std::string& argument);

}  // namespace sonde
