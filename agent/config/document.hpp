#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/finding.hpp"

namespace sonde {

// A YAML document as configuration uses it: texts, lists and maps, each knowing where it stands.
struct ConfigMember;
struct ConfigNode {
    enum class Kind : unsigned char { nothing, text, list, map };

    Kind kind = Kind::nothing;
    std::string text;     // of a text
    bool quoted = false;  // "5" is a text, 5 may be a number
    SourcePlace place;
    std::vector<ConfigNode> items;      // of a list
    std::vector<ConfigMember> members;  // of a map, in the order they stand in; no key twice

    [[nodiscard]] const ConfigMember* find(std::string_view key) const;
    ConfigMember* find(std::string_view key);
};
struct ConfigMember {
    std::string key;
    SourcePlace place;
    ConfigNode value;
};

// Bounds of one document: what aliases refer to is copied, and must not grow beyond them.
inline constexpr std::size_t max_document_bytes = 1 << 20;
inline constexpr std::size_t max_document_nodes = 10'000;
inline constexpr std::size_t max_document_depth = 32;

// YAML 1.2 with anchors, aliases and merge keys ("<<"). What is wrong is added to findings: bytes that are not UTF-8,
// broken syntax, keys that stand twice in one map, keys that are no texts, more than one document, bounds exceeded.
// Then the part before it is returned. An empty document is `nothing`. Never throws; any thread.
ConfigNode parse_document(std::string_view yaml, const std::string& source, std::vector<ConfigFinding>& findings);

// As above, from a regular file of at most max_document_bytes.
ConfigNode read_document(const std::string& file, std::vector<ConfigFinding>& findings);

// Puts `top` over `base`: maps member by member, everything else as a whole.
void overlay(ConfigNode& base, ConfigNode top);

}  // namespace sonde
