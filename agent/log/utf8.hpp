#pragma once

#include <string_view>

#include "agent/base/text_arena.hpp"

namespace sonde {

// Well-formed UTF-8 (Unicode 15, table 3-7): no surrogates, no overlong forms. NUL is a character like others.
bool is_utf8(std::string_view text);

// text in the arena, each maximal piece that is no UTF-8 replaced by U+FFFD (Unicode 15, §3.9 "U+FFFD substitution of
// maximal subparts"). changed: whether anything was.
std::string_view add_as_utf8(std::string_view text, TextArena& arena, bool& changed);

}  // namespace sonde
