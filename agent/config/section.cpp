#include "agent/config/section.hpp"

#include <cassert>

#include "agent/config/unit.hpp"

namespace sonde {
namespace {

// The ranges of the schema are written by programmers.
double bound(FieldKind kind, std::string_view text) {
    const auto value = kind == FieldKind::duration ? parse_duration(text)
                       : kind == FieldKind::rate   ? parse_rate(text)
                                                   : parse_size(text);
    assert(value);
    return static_cast<double>(value.value_or(0));
}

void set_reloadable(Field& field) {
    field.reloadable = true;
    for (auto& inner : field.fields) set_reloadable(inner);
}

}  // namespace

FieldOptions& FieldOptions::range(double least, double most) {
    field_.least = least;
    field_.most = most;
    return *this;
}

FieldOptions& FieldOptions::range(std::string_view least, std::string_view most) {
    return range(bound(field_.kind, least), bound(field_.kind, most));
}

FieldOptions& FieldOptions::reloadable() {
    set_reloadable(field_);
    return *this;
}

}  // namespace sonde
