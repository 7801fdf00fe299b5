#pragma once

#include <string>

#include "agent/config/config.hpp"

namespace sonde {

// The configuration that runs, as a JSON object; secrets are "***".
std::string config_json(const Config& config);

}  // namespace sonde
