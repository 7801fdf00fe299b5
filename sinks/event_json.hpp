#pragma once

#include <string>
#include <string_view>

#include "sinks/sink.hpp"

namespace sonde {

// Appends the record as one JSON line, '\n' included, in the shape of DESIGN §4. The line is always valid JSON and
// valid UTF-8: whatever came in as invalid UTF-8, a string cut inside a character too, stands as \ufffd.
// What was not observed is null and named in "unobserved". Without the request's head (no method) that includes what
// stands in it; with it, an empty host or user_agent is a header that was not sent.
// Allocates only when `out` has to grow. Any thread.
void append_event_json(std::string& out, const Record& record);

// The line of a log record, under the same promises.
void append_log_json(std::string& out, const LogLine& log);

// Appends the text as a JSON string with its quotes, under the same promise. Go reads it as a string literal, too.
void append_json_string(std::string& out, std::string_view text);

}  // namespace sonde
