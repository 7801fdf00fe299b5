#include "sinks/otlp/log_encoder.hpp"

#include "sinks/otlp/log_attributes.hpp"
#include "sinks/otlp/otlp_ids.hpp"

namespace sonde {

const std::string& LogEncoder::key_of(const LogLine& line) {
    key_.assign(service_of(line));
    key_ += '\0';
    key_ += std::to_string(line.record.source.pid);
    key_ += '\0';
    key_ += line.record.source.container_id;
    return key_;
}

void LogEncoder::find_ids(const LogLine& line) {
    span_.clear();
    if (is_attached(line.match) && line.request_span_id != 0) {
        span_ = bytes_of_span_id(line.request_span_id);
        if (!bytes_of_hex(line.request_trace_id, otlp_trace_id_bytes, trace_))
            trace_ = trace_id_of_span(line.request_span_id);
        return;
    }
    if (!bytes_of_hex(line.record.trace_id, otlp_trace_id_bytes, trace_)) {
        trace_.clear();  // a span without a trace would belong nowhere
    } else if (!bytes_of_hex(line.record.span_id, otlp_span_id_bytes, span_)) {
        span_.clear();
    }
}

bool LogEncoder::add(const Record& record) {
    const auto* pointer = std::get_if<LogLinePtr>(&record);
    if (pointer == nullptr || *pointer == nullptr) return false;
    const auto& line = **pointer;
    const auto& log = line.record;
    find_ids(line);
    // LogRecord of opentelemetry/proto/logs/v1/logs.proto. What is not known is left out, the time too.
    request_.add(
        key_of(line), [&](auto& visitor) { visit_log_resource(line, visitor); },
        [&](auto& out) {
            if (log.time_ns != 0) out.fixed64(1, "timeUnixNano", log.time_ns);
            if (const auto number = severity_number(log.severity); number != 0)
                out.enumeration(2, "severityNumber", number);
            if (!log.severity_text.empty()) out.text(3, "severityText", log.severity_text);
            out.message(5, "body", [&](auto& any) { any.text(1, "stringValue", log.message); });
            std::uint32_t left_out = 0;
            out.attributes(6, "attributes", [&](auto&& visitor) { left_out = visit_log_attributes(line, visitor); });
            if (left_out > 0) out.uint32(7, "droppedAttributesCount", left_out);
            if (!trace_.empty()) out.id(9, "traceId", trace_);
            if (!span_.empty()) out.id(10, "spanId", span_);
            if (log.observed_ns != 0) out.fixed64(11, "observedTimeUnixNano", log.observed_ns);
        });
    return true;
}

}  // namespace sonde
