#pragma once

#include <cstdint>
#include <string_view>

#include "agent/log/timestamp.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {

// What a structured line's field is, told by its name.
enum class FieldRole : std::uint8_t {
    attribute,
    time,
    level,         // a word, or pino's number
    level_otel,    // OpenTelemetry's severity number
    level_python,  // levelno
    message,       // message, msg
    event,         // structlog's name for it; taken if there is no message
    body,          // OpenTelemetry's name for it
    logger,        // logger, logger_name, loggerName …
    name,          // logger's name with Python and pino; taken if there is no logger
    thread,
    trace_id,
    span_id,
    traceparent,  // W3C Trace Context
    request_id,
    correlation_id,  // taken if there is no request id
    stack,           // exception, exc_info, stack_trace …
    exception_type,
    exception_message,
    method,  // these stay attributes, too
    path,
    status,
    client,
};

// Upper and lower case, '_', '-', '.' and '@' make no difference: "trace.id", "traceId" and "TRACE_ID" are one name.
// A dotted key whose last part has a role under a wrapper ("log.level", "context.request_id") has that role.
FieldRole field_role(std::string_view key);

// Sorts the fields of one line into a record: known ones into their members, the rest into attributes. Keys and values
// must live in the record's arena. A value that does not fit its role (a time that is no time) stays an attribute, so
// nothing of a line is lost but what LogRecord::attributes_dropped counts.
class RecordFields {
public:
    RecordFields(LogRecord& record, TimeParser& times) : record_(record), times_(times) {}
    void take(std::string_view key, std::string_view value, AttributeType type);
    // true if any field had a role that only logs have (time, level, message, event)
    [[nodiscard]] bool log_like() const { return log_like_; }

private:
    bool take_role(FieldRole role, std::string_view key, std::string_view value, AttributeType type);
    bool take_message(std::uint8_t rank, std::string_view key, std::string_view value);
    bool take_logger(std::uint8_t rank, std::string_view key, std::string_view value);
    bool take_level(FieldRole role, std::string_view value, AttributeType type);
    bool take_request_id(std::uint8_t rank, std::string_view key, std::string_view value);
    void keep_access(FieldRole role, std::string_view value);

    LogRecord& record_;
    TimeParser& times_;
    std::string_view message_key_, logger_key_, request_key_, request_value_;
    std::uint8_t message_rank_ = 0, logger_rank_ = 0, request_rank_ = 0;
    bool log_like_ = false;
};

// A trace id of 128 or 64 bits in hexadecimal of any case, with or without dashes, also behind "projects/…/traces/" and
// as X-Ray spells it ("1-…-…"); false and untouched if it is none, or all zeros.
bool take_trace_id(std::string_view text, InlineString<32>& out);
bool take_span_id(std::string_view text, InlineString<16>& out);

}  // namespace sonde
