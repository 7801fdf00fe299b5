#pragma once

#include <string>

namespace sonde {

// docs/configuration.md, made of the schema: `sonde check-config --docs`.
std::string configuration_reference();

// JSON Schema (2020-12) for editors: `sonde check-config --schema`.
std::string configuration_json_schema();

}  // namespace sonde
