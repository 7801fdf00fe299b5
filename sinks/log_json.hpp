#pragma once

#include "agent/model/log_line.hpp"
#include "sinks/json_line.hpp"

namespace sonde {

// ,"logs":[{"time":…,"level":…,"message":…,"match":…,"confidence":…}],"logs_dropped":n,"attributes":{…}
// The last two only where there is something to say.
void append_transaction_logs(LineBuffer& line, const TransactionLogs& logs);
// The whole line of type "log", with its newline: docs/correlation.md lists the fields. What the record does not tell
// is null (time, level, message) or left out.
void append_log_line(LineBuffer& line, const LogLine& log);
// Sixteen hexadecimal digits.
void append_span_id(LineBuffer& line, std::uint64_t span_id);

}  // namespace sonde
