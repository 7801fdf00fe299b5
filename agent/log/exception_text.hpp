#pragma once

#include <string_view>

#include "agent/model/log_record.hpp"

namespace sonde {

// Finds a traceback in the lines of text (divided by \n) and says what was thrown:
//   Python  "Traceback (most recent call last):" … "pkg.Error: message"; of a chain the last one, which was not caught
//   Java    "pkg.Exception: message" above "\tat …"; of a chain the first one, which encloses its causes
//   Node    "TypeError: message" above "    at …"
//   Go      "panic: message" or "fatal error: message" above "goroutine 1 [running]:"; the type is panic
// Members that are already told stay. false: there is none. Views into text; no allocation.
bool find_exception(std::string_view text, LogException& exception);

}  // namespace sonde
