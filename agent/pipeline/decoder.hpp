#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "agent/model/event.hpp"

namespace sonde {

// One raw record to one event; nothing where the bytes do not have the layout of their type (bpf/shared/event.h).
// Every length is checked before it is used; alignment does not matter. Never throws, never allocates.
// The event's spans point into the record.
std::optional<Event> decode(std::span<const std::byte> record);

}  // namespace sonde
