#pragma once

#include <string>

#include "sinks/delivery/batch_encoder.hpp"
#include "sinks/otlp/otlp_request.hpp"

namespace sonde {

// Log lines as LogRecords in an ExportLogsServiceRequest (opentelemetry-proto 1.3, logs data model 1.0). A line that is
// attached to a request has the trace and the span of that request, the same that SpanEncoder gives it; one that is
// not, those that it names itself. Other records have no form here.
class LogEncoder final : public BatchEncoder {
public:
    LogEncoder(OtlpOptions options, std::string version)
        : request_(OtlpSignal::logs, std::move(options), std::move(version)) {}

    bool add(const Record& record) override;
    [[nodiscard]] std::size_t bytes() const override { return request_.bytes(); }
    std::string take() override { return request_.take(); }

private:
    const std::string& key_of(const LogLine& line);
    void find_ids(const LogLine& line);

    OtlpRequest request_;
    std::string key_;           // reused, as are the next
    std::string trace_, span_;  // bytes; empty: none
};

}  // namespace sonde
