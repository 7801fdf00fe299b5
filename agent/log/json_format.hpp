#pragma once

#include <memory>
#include <string_view>

#include "agent/log/timestamp.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {

// One JSON object per line (RFC 8259): structlog, pino, bunyan, zap, slog, zerolog, logback and log4j2,
// python-json-logger, fapilog, OpenTelemetry's data model. Parsed by events (Boost.JSON's basic_parser), without a
// tree.
//
// Objects within are flattened ("http": {"method": …} is http.method) down to a depth of 4; deeper ones, and arrays,
// are one attribute with their JSON text. OpenTelemetry's attribute lists ([{"key": k, "value": {"stringValue": v}}])
// become attributes k. Not allocating after warm-up; one thread at a time.
class JsonFormat {
public:
    explicit JsonFormat(TimeParser& times);
    ~JsonFormat();

    // line: within record.raw. false: it is not one whole object, or has no field that only logs have; the record may
    // then hold some of its fields, and is to be cleared.
    bool parse(std::string_view line, LogRecord& record);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sonde
