#pragma once

#include <string>
#include <variant>
#include <vector>

#include "agent/config/document.hpp"
#include "agent/config/field.hpp"

// Values of single fields: from what stands in a document, and back. For all kinds but objects. Any thread.
namespace sonde {

// What the field takes: "a duration from 100ms to 1h, such as 250ms, 5s or 2h".
std::string expected(const Field& field);
// What stands there, for "expected …, found …"; nothing of a secret.
std::string found(const Field& field, const ConfigNode& node);

struct BadValue {
    std::string message;  // "expected …, found …"
    SourcePlace place;    // of the element that is wrong
};
// All that is wrong with it: of a list or map every element.
using BadValues = std::vector<BadValue>;
std::variant<FieldValue, BadValues> read_value(const Field& field, const ConfigNode& node);

// The value as YAML on one line, which read_value() reads as the same value; "***" for a secret that is set.
std::string show_value(const Field& field, const FieldValue& value);
// A text that YAML reads as this text.
std::string show_text(const std::string& text);

}  // namespace sonde
