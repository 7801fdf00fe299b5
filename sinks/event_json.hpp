#pragma once

#include <string>

#include "sinks/sink.hpp"

namespace sonde {

// Appends the record as one JSON line, DESIGN §4's shape. What was not observed is null and named in `unobserved`.
// Bytes that are no UTF-8 become U+FFFD. No allocation while `out` has room.
void append_event_json(std::string& out, const Record& record);

}  // namespace sonde
