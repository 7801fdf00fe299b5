#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sinks/delivery/batch_encoder.hpp"

namespace sonde {

enum class OtlpFormat : std::uint8_t { protobuf, json };

struct OtlpOptions {
    OtlpFormat format = OtlpFormat::protobuf;
    bool gzip = true;
    // Besides what is observed of each process; host.name is filled in where it is missing.
    std::vector<std::pair<std::string, std::string>> resource{};
};

// Transactions as spans in an ExportTraceServiceRequest (opentelemetry-proto 1.3, OTLP 1.3 §OTLP/HTTP): server or
// client kind, the parent that the request's headers name, attributes by the semantic conventions for HTTP. A request
// that named no trace becomes the root of one with a random id. Losses have no form here.
class OtlpEncoder final : public BatchEncoder {
public:
    // seed: of the ids for spans that have none.
    OtlpEncoder(OtlpOptions options, std::string version, std::uint64_t seed);

    bool add(const Record& record) override;
    [[nodiscard]] std::size_t bytes() const override { return bytes_; }
    std::string take() override;

private:
    // Spans of one process, already encoded.
    struct Group {
        std::string resource;  // Resource's attributes
        std::string spans;     // protobuf: fields 2 of ScopeSpans; JSON: objects with commas
    };
    struct Ids {
        std::string trace, span, parent;  // bytes; parent may be empty
    };
    Group& group_of(const Transaction& transaction);
    [[nodiscard]] std::string encoded_resource(const Transaction& transaction) const;
    const Ids& ids_of(const Transaction& transaction);
    void add_protobuf(std::string& spans, const Transaction& transaction);
    void add_json(std::string& spans, const Transaction& transaction);
    [[nodiscard]] std::string protobuf_body() const;
    [[nodiscard]] std::string json_body() const;

    const OtlpOptions options_;
    const std::string version_;
    std::mt19937_64 random_;
    std::vector<Group> groups_;
    std::unordered_map<std::string, std::size_t> known_;  // encoded resource key → place in groups_
    std::string key_;                                     // reused, as are the next
    std::string name_;
    Ids ids_;
    std::size_t bytes_ = 0;
};

// From an ExportTraceServiceResponse: the number of spans that were refused, and why.
// Outside bytes: anything that cannot be read counts as none refused.
std::uint32_t read_partial_success(OtlpFormat format, std::string_view body, std::string& message);

}  // namespace sonde
