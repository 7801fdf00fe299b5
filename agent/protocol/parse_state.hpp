#pragma once

#include <cstdint>

namespace sonde {

// What a parser made of its input: it wants more of it, cannot be what it parses, or is complete.
enum class ParseState : std::uint8_t { need_more, invalid, done };

}  // namespace sonde
