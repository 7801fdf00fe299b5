#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "sinks/delivery/batch_encoder.hpp"
#include "sinks/otlp/otlp_request.hpp"

namespace sonde {

// Transactions as spans in an ExportTraceServiceRequest (opentelemetry-proto 1.3, OTLP 1.3 §OTLP/HTTP): server or
// client kind, the parent that the request's headers name, attributes by the semantic conventions for HTTP. A request
// that named no trace becomes the root of one (trace_id_of_span()). Other records have no form here.
class SpanEncoder final : public BatchEncoder {
public:
    // seed: of the ids for spans that have none.
    SpanEncoder(OtlpOptions options, std::string version, std::uint64_t seed)
        : request_(OtlpSignal::traces, std::move(options), std::move(version)), random_(seed) {}

    bool add(const Record& record) override;
    [[nodiscard]] std::size_t bytes() const override { return request_.bytes(); }
    std::string take() override { return request_.take(); }

private:
    struct Ids {
        std::string trace, span, parent;  // bytes; parent may be empty
    };
    const Ids& ids_of(const Transaction& transaction);
    const std::string& key_of(const Transaction& transaction);

    OtlpRequest request_;
    std::mt19937_64 random_;
    std::string key_;  // reused, as are the next
    std::string name_;
    Ids ids_;
};

}  // namespace sonde
