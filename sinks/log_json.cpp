#include "sinks/log_json.hpp"

#include <algorithm>

namespace sonde {
namespace {

void append_text_or_null(LineBuffer& line, std::string_view text) {
    if (text.empty()) return line.literal("null");
    append_quoted(line, text);
}

void append_level(LineBuffer& line, Severity severity) {
    if (severity == Severity::unknown) return line.literal("null");
    line.character('"');
    line.text(to_string(severity));
    line.character('"');
}

void append_match(LineBuffer& line, LogMatch match, float confidence) {
    line.literal(",\"match\":\"");
    line.text(to_string(match));
    line.literal("\",\"confidence\":");
    line.number(readable_confidence(confidence));
}

void append_named(LineBuffer& line, std::string_view prefix, std::string_view text) {
    if (text.empty()) return;
    line.text(prefix);
    append_quoted(line, text);
}

void append_writer(LineBuffer& line, const LogSource& source) {
    if (source.pid != 0) {
        line.literal(",\"process\":{\"pid\":");
        line.number(source.pid);
        line.literal(",\"tid\":");
        line.number(source.tid);
        line.character('}');
    }
    if (!source.container_id.empty()) {
        line.literal(",\"container\":{\"id\":");
        append_quoted(line, source.container_id);
        line.character('}');
    }
    line.literal(",\"source\":{\"origin\":\"");
    line.text(log_origin_names[static_cast<std::size_t>(source.origin)]);
    line.character('"');
    if (source.stream != LogStream::none) {
        line.literal(",\"stream\":\"");
        line.text(source.stream == LogStream::out ? "stdout" : "stderr");
        line.character('"');
    }
    append_named(line, ",\"path\":", source.path);
    line.character('}');
}

void append_ids(LineBuffer& line, const LogRecord& record) {
    if (record.trace_id.empty() && record.request_id.empty()) return;
    line.literal(",\"trace\":{");
    if (!record.trace_id.empty()) {
        line.literal("\"trace_id\":");
        append_quoted(line, record.trace_id);
        append_named(line, ",\"span_id\":", record.span_id);
        if (!record.request_id.empty()) line.character(',');
    }
    append_named(line, "\"request_id\":", record.request_id);
    line.character('}');
}

void append_attributes(LineBuffer& line, const LogRecord& record) {
    if (record.attributes.empty()) return;
    line.literal(",\"attributes\":{");
    bool first = true;
    for (const auto& [key, value, type] : record.attributes) {
        if (!first) line.character(',');
        first = false;
        append_quoted(line, key);
        line.character(':');
        // as text: what the line spells as a number need not be one in JSON, or of 64 bits
        append_quoted(line, value);
    }
    line.character('}');
}

void append_exception(LineBuffer& line, const LogException& exception) {
    if (exception.type.empty() && exception.stack.empty()) return;
    line.literal(",\"exception\":{\"type\":");
    append_text_or_null(line, exception.type);
    line.literal(",\"message\":");
    append_text_or_null(line, exception.message);
    append_named(line, ",\"stack\":", exception.stack);
    line.character('}');
}

void append_request(LineBuffer& line, const LogLine& log) {
    if (is_attached(log.match)) {
        line.literal(",\"request\":{\"span_id\":\"");
        append_span_id(line, log.request_span_id);
        line.character('"');
        append_named(line, ",\"trace_id\":", log.request_trace_id);
        append_named(line, ",\"method\":", log.request_method);
        line.character('}');
    } else if (log.match == LogMatch::candidates) {
        line.literal(",\"candidates\":[");
        const auto listed = std::min<std::size_t>(log.candidate_count, log.candidates.size());
        for (std::size_t i = 0; i < listed; ++i) {
            line.text(i > 0 ? ",\"" : "\"");
            append_span_id(line, log.candidates[i]);
            line.character('"');
        }
        line.literal("],\"candidate_count\":");
        line.number(log.candidate_count);
    }
}

}  // namespace

void append_span_id(LineBuffer& line, std::uint64_t span_id) {
    constexpr std::string_view digits = "0123456789abcdef";
    for (int shift = 60; shift >= 0; shift -= 4) line.character(digits[span_id >> shift & 0xFU]);
}

void append_transaction_logs(LineBuffer& line, const TransactionLogs& logs) {
    line.literal(",\"logs\":[");
    bool first = true;
    for (const auto& log : logs.lines) {
        line.text(first ? "{\"time\":" : ",{\"time\":");
        first = false;
        append_time(line, log.time_ns);
        line.literal(",\"level\":");
        append_level(line, log.severity);
        line.literal(",\"message\":");
        append_quoted(line, log.message);
        append_match(line, log.match, log.confidence);
        line.character('}');
    }
    line.character(']');
    if (logs.dropped > 0) {
        line.literal(",\"logs_dropped\":");
        line.number(logs.dropped);
    }
    if (logs.attributes.empty()) return;
    line.literal(",\"attributes\":{");
    first = true;
    for (const auto& [name, value] : logs.attributes) {
        if (!first) line.character(',');
        first = false;
        append_quoted(line, name);
        line.character(':');
        append_quoted(line, value);
    }
    line.character('}');
}

void append_log_line(LineBuffer& line, const LogLine& log) {
    const auto& record = log.record;
    line.literal("{\"type\":\"log\",\"time\":");
    append_time(line, log.time_ns());
    line.literal(",\"observed\":");
    append_time(line, record.observed_ns);
    line.literal(",\"service\":");
    append_text_or_null(line, log.service.empty() ? record.source.service : log.service);
    line.literal(",\"level\":");
    append_level(line, record.severity);
    append_named(line, ",\"logger\":", record.logger);
    line.literal(",\"message\":");
    append_quoted(line, record.message);
    line.literal(",\"format\":\"");
    line.text(to_string(record.format));
    line.character('"');
    append_match(line, log.match, log.confidence);
    append_request(line, log);
    append_ids(line, record);
    append_writer(line, record.source);
    append_attributes(line, record);
    append_exception(line, record.exception);
    if (record.has(log_truncated)) line.literal(",\"truncated\":true");
    if (record.has(log_partial)) line.literal(",\"partial\":true");
    line.literal("}\n");
}

}  // namespace sonde
