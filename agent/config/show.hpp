#pragma once

#include <string>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/config/field.hpp"
#include "agent/config/reader.hpp"

namespace sonde {

// A struct that fields describe as YAML: all of it, secrets as "***"; with a comment at what was set, which says where.
// Reading it again gives the same struct.
std::string show_fields(const Fields& fields, const void* owner, const ConfigOrigins& origins = {});
std::string show_config(const Config& config, const ConfigOrigins& origins = {});

// FNV-1a of show_config(): tells two configurations apart, but for their secrets.
std::uint64_t config_hash(const Config& config);

struct ConfigChange {
    std::string key;   // of a list: the list's
    std::string text;  // "1 → 0.1"; of lists and maps of objects "changed"
    bool reloadable = false;
};
// What differs between two structs that the fields describe; secrets are compared, not shown.
std::vector<ConfigChange> differences(const Fields& fields, const void* before, const void* after);
std::vector<ConfigChange> differences(const Config& before, const Config& after);

}  // namespace sonde
