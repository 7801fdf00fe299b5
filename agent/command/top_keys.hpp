#pragma once

#include <string_view>

#include "agent/command/top.hpp"

namespace sonde {

enum class KeyResult : std::uint8_t { nothing, redraw, refetch, quit };

// What a key (one byte or an escape sequence, from the front of `keys`, which it is taken from) does to the state.
KeyResult press_key(TopState& state, std::string_view& keys, std::size_t page);

}  // namespace sonde
