#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/result.hpp"
#include "sinks/delivery/batch_encoder.hpp"
#include "sinks/delivery/field_selection.hpp"

namespace sonde {

enum class LokiFormat : std::uint8_t { protobuf, json };

struct LokiOptions {
    LokiFormat format = LokiFormat::protobuf;  // with snappy
    std::string tenant{};                      // X-Scope-OrgID; empty: not sent
    // Each combination of values is a stream: from service, side, level, method, route, status_class, outcome. Few!
    std::vector<std::string> labels{"service", "side", "level"};
    std::vector<std::pair<std::string, std::string>> static_labels{{"job", "sonde"}};
    // Indexed by nobody and bounded by nothing: from the same names, and trace_id, span_id, request_id, status. Loki
    // takes it from version 3 on, or with allow_structured_metadata.
    std::vector<std::string> structured_metadata{};
    std::uint32_t max_streams = 256;  // 1 … 100,000 over the agent's life; more share one, with overflow="true"
};

// Loki's push API (grafana.com/docs/loki: "Ingest logs using HTTP"; field numbers: pkg/push/push.proto). Entries of a
// stream are in the order of their times; the sender keeps batches in order.
class LokiEncoder final : public BatchEncoder {
public:
    // Errors (usage): an unknown label or a name that Loki would refuse, no label at all, more than 15.
    static Result<std::unique_ptr<LokiEncoder>> create(LokiOptions options, FieldSelectionOptions fields);

    bool add(const Record& record) override;
    [[nodiscard]] std::size_t bytes() const override { return text_.size() + entries_ * entry_overhead_bytes; }
    std::string take() override;

    // Number of entries that the shared stream got because there were too many others.
    [[nodiscard]] std::uint64_t overflowed() const { return overflowed_; }

private:
    struct Range {
        std::size_t begin = 0, end = 0;  // in text_
    };
    struct Metadata {
        std::size_t name = 0;  // in options_.structured_metadata
        Range value;
    };
    struct Entry {
        std::uint64_t time_ns = 0;
        Range line;
        std::size_t metadata_begin = 0, metadata_end = 0;  // in metadata_
    };
    struct Stream {
        std::string labels;       // {a="b", c="d"}
        std::string json_labels;  // {"a":"b","c":"d"}
        std::vector<Entry> entries;
    };
    static constexpr std::size_t entry_overhead_bytes = 32;

    LokiEncoder(LokiOptions options, FieldSelectionOptions fields);
    Stream& stream_of(const Record& record);
    std::size_t make_stream(const Record* record);
    void add_metadata(const Record& record, Entry& entry);
    [[nodiscard]] std::string_view text(Range range) const {
        return std::string_view(text_).substr(range.begin, range.end - range.begin);
    }
    std::string protobuf_body() const;
    std::string json_body() const;

    const LokiOptions options_;
    EventWriter events_;
    std::vector<Stream> streams_;                         // the first is for what is over max_streams
    std::unordered_map<std::string, std::size_t> known_;  // key of values → place in streams_
    std::string key_;                                     // reused
    std::string text_;                                    // lines and values of metadata of the open batch
    std::vector<Metadata> metadata_;
    std::size_t entries_ = 0;
    std::uint64_t overflowed_ = 0;
};

}  // namespace sonde
