#pragma once

#include <cstdint>
#include <string_view>

#include "agent/model/log_record.hpp"

namespace sonde {

// The level a word names, in any case: "warn", "WARNING", "W", "crit", "panic", "notice" …; unknown if none.
// "notice" is info, "alert", "emerg", "panic", "critical" and "dpanic" are fatal.
Severity severity_from_word(std::string_view word);

// Levels as numbers. pino and bunyan: 10 trace … 60 fatal. Python's logging counts the other way round the words (10
// debug, 20 info, 50 critical) in `levelno`. OpenTelemetry's severity_number: 1 to 24 (logs data model
// §SeverityNumber). unknown if out of range.
Severity severity_from_pino(int level);
Severity severity_from_python(int level);
Severity severity_from_otel(int number);

}  // namespace sonde
