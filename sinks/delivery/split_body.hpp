#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sonde {

// Halves of an encoded body, for a destination that finds it too large (413): where a batch may come from the spool,
// its body is all that is left of the records. The frame around the records stands in both; their order stays.
// Bodies are what sonde's encoders made; what cannot be read comes back as nullopt, as does what has fewer than two
// records. Any thread.

struct BodyPart {
    std::string body;
    std::uint32_t records = 0;
};
using BodyHalves = std::pair<BodyPart, BodyPart>;
// Null: bodies of that protocol cannot be divided.
using SplitBody = std::function<std::optional<BodyHalves>(std::string_view body)>;

// Protobuf. path: from the outermost message to the records, a set of field numbers (bit n: field n) for each level.
// The fields of the last level are the records.
std::optional<BodyHalves> split_protobuf(std::string_view body, const std::vector<std::uint32_t>& path);

// JSON. path: names of the members on the way to the records, one of several for each level; lists on the way are gone
// through. Empty: the body is the list of records.
std::optional<BodyHalves> split_json(std::string_view body, const std::vector<std::vector<std::string_view>>& path);

// A record a line.
std::optional<BodyHalves> split_lines(std::string_view body);

// A body under snappy, which `split` divides.
std::optional<BodyHalves> split_snappy(std::string_view body, const SplitBody& split);

}  // namespace sonde
