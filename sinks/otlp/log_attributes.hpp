#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/model/log_line.hpp"
#include "sinks/otlp/used_keys.hpp"

namespace sonde {

// SeverityNumber of opentelemetry/proto/logs/v1/logs.proto; 0: the line names none.
constexpr std::int32_t severity_number(Severity severity) {
    constexpr std::array<std::int32_t, severity_count> numbers{0, 1, 5, 9, 13, 17, 21};
    return numbers[static_cast<std::size_t>(severity)];
}

// What the line says itself goes before what its path told.
inline std::string_view service_of(const LogLine& line) {
    return line.service.empty() ? line.record.source.service : line.service;
}

// As the line spells it, by what it is. A number that does not fit an int64 or a double is text.
template <typename Visitor>
void visit_value(const LogAttribute& attribute, Visitor&& visitor) {
    const auto value = attribute.value;
    const auto* const end = value.data() + value.size();
    const auto whole = [&](auto& number) {
        const auto result = std::from_chars(value.data(), end, number);
        return result.ec == std::errc() && result.ptr == end;
    };
    std::int64_t integer = 0;
    double real = 0;
    if (attribute.type == AttributeType::boolean) return visitor.boolean(attribute.key, value == "true");
    if (attribute.type == AttributeType::number && whole(integer)) return visitor.integer(attribute.key, integer);
    if (attribute.type == AttributeType::number && whole(real)) return visitor.number(attribute.key, real);
    visitor.text(attribute.key, value);
}

// Calls text(key, value), integer(), number() and boolean() for what was observed, by the semantic conventions for
// logs, exceptions and threads (1.27) and, where they have no name, as sonde.*; then for the line's own attributes.
// Keys are unique (OTLP demands it): of two with one name the first stays. Returns the number of those left out.
template <typename Visitor>
std::uint32_t visit_log_attributes(const LogLine& line, Visitor&& visitor) {
    const auto& record = line.record;
    UsedKeys<LogRecord::max_attributes + 16> used;
    const auto text = [&](std::string_view key, std::string_view value) {
        if (!value.empty() && used.take(key)) visitor.text(key, value);
    };
    text("log.file.path", record.source.path);
    if (record.source.stream != LogStream::none)
        text("log.iostream", record.source.stream == LogStream::out ? "stdout" : "stderr");
    if (record.source.tid != 0 && used.take("thread.id")) visitor.integer("thread.id", record.source.tid);
    text("thread.name", record.thread);
    text("exception.type", record.exception.type);
    text("exception.message", record.exception.message);
    text("exception.stacktrace", record.exception.stack);
    text("http.request.method", line.request_method);
    text("sonde.logger", record.logger);
    text("sonde.log.format", to_string(record.format));
    text("sonde.match", to_string(line.match));
    if (line.match != LogMatch::none && used.take("sonde.confidence"))
        visitor.number("sonde.confidence", readable_confidence(line.confidence));
    text("sonde.request_id", record.request_id);
    auto left_out = record.attributes_dropped;
    for (const auto& attribute : record.attributes) {
        if (attribute.type == AttributeType::null) continue;  // no value: nothing to say
        if (attribute.key.empty() || !used.take(attribute.key)) {
            ++left_out;
            continue;
        }
        visit_value(attribute, visitor);
    }
    return left_out;
}

// Which program wrote it, as far as a line tells.
template <typename Visitor>
void visit_log_resource(const LogLine& line, Visitor&& visitor) {
    const auto service = service_of(line);
    visitor.text("service.name", service.empty() ? "unknown_service" : service);
    if (line.record.source.pid != 0) visitor.integer("process.pid", line.record.source.pid);
    if (!line.record.source.container_id.empty()) visitor.text("container.id", line.record.source.container_id);
}

}  // namespace sonde
