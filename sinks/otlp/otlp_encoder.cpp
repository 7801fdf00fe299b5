#include "sinks/otlp/otlp_encoder.hpp"

#include <algorithm>
#include <charconv>
#include <protozero/pbf_writer.hpp>

#include "sinks/event_json.hpp"
#include "sinks/otlp/span_attributes.hpp"

namespace sonde {
namespace {

constexpr const char* scope_name = "sonde";
constexpr std::size_t trace_id_bytes = 16, span_id_bytes = 8;

// Attributes as KeyValue { string key = 1; AnyValue value = 2 } in field `tag` of `parent`. AnyValue: string_value = 1,
// int_value = 3, double_value = 4.
class ProtobufAttributes {
public:
    ProtobufAttributes(protozero::pbf_writer& parent, protozero::pbf_tag_type tag) : parent_(parent), tag_(tag) {}
    void text(std::string_view key, std::string_view value) {
        protozero::pbf_writer pair(parent_, tag_);
        pair.add_string(1, key.data(), key.size());
        protozero::pbf_writer any(pair, 2);
        any.add_string(1, value.data(), value.size());
    }
    void integer(std::string_view key, std::int64_t value) {
        protozero::pbf_writer pair(parent_, tag_);
        pair.add_string(1, key.data(), key.size());
        protozero::pbf_writer any(pair, 2);
        any.add_int64(3, value);
    }
    void number(std::string_view key, double value) {
        protozero::pbf_writer pair(parent_, tag_);
        pair.add_string(1, key.data(), key.size());
        protozero::pbf_writer any(pair, 2);
        any.add_double(4, value);
    }

private:
    protozero::pbf_writer& parent_;
    const protozero::pbf_tag_type tag_;
};

void append_quoted_number(std::string& out, std::int64_t value) {
    // 64-bit integers are strings in protobuf's JSON
    out += '"';
    out += std::to_string(value);
    out += '"';
}

class JsonAttributes {
public:
    explicit JsonAttributes(std::string& out) : out_(out) {}
    void text(std::string_view key, std::string_view value) {
        begin(key);
        out_ += "{\"stringValue\":";
        append_json_string(out_, value);
        out_ += "}}";
    }
    void integer(std::string_view key, std::int64_t value) {
        begin(key);
        out_ += "{\"intValue\":";
        append_quoted_number(out_, value);
        out_ += "}}";
    }
    void number(std::string_view key, double value) {
        begin(key);
        std::array<char, 32> digits{};
        const auto* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        out_ += "{\"doubleValue\":";
        out_.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
        out_ += "}}";
    }

private:
    void begin(std::string_view key) {
        if (!first_) out_ += ',';
        first_ = false;
        out_ += "{\"key\":\"";
        out_ += key;
        out_ += "\",\"value\":";
    }
    std::string& out_;
    bool first_ = true;
};

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Bytes of hexadecimal text, with zeros in front up to `size`; false: it is none, or an id that is not allowed (zero).
bool bytes_of_hex(std::string_view text, std::size_t size, std::string& out) {
    out.assign(size, '\0');
    if (text.empty() || text.size() > 2 * size) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto digit = hex_digit(text[text.size() - 1 - i]);
        if (digit < 0) return false;
        auto& byte = out[size - 1 - i / 2];
        byte = static_cast<char>(static_cast<unsigned char>(byte) | digit << (i % 2 * 4));
    }
    return out.find_first_not_of('\0') != std::string::npos;
}

void append_hex(std::string& out, std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    for (const char c : bytes) {
        out += digits[static_cast<unsigned char>(c) >> 4U];
        out += digits[static_cast<unsigned char>(c) & 0xFU];
    }
}

void big_endian(std::uint64_t value, char* out) {
    for (std::size_t i = 0; i < span_id_bytes; ++i) out[i] = static_cast<char>(value >> (56 - 8 * i));
}

}  // namespace

OtlpEncoder::OtlpEncoder(OtlpOptions options, std::string version, std::uint64_t seed)
    : options_(std::move(options)), version_(std::move(version)), random_(seed) {}

const OtlpEncoder::Ids& OtlpEncoder::ids_of(const Transaction& transaction) {
    const auto drawn = [this] { return random_() | 1; };  // never zero
    const bool has_trace = bytes_of_hex(transaction.trace.trace_id, trace_id_bytes, ids_.trace);
    if (!has_trace) {
        big_endian(drawn(), ids_.trace.data());
        big_endian(drawn(), ids_.trace.data() + span_id_bytes);
    }
    ids_.span.resize(span_id_bytes);
    big_endian(transaction.trace.span_id != 0 ? transaction.trace.span_id : drawn(), ids_.span.data());
    // a parent belongs to a trace: without one it would point nowhere. What sonde saw itself stands nearer than what
    // the headers say, which proxies pass on as it came.
    if (has_trace && transaction.trace.parent != 0) {
        ids_.parent.resize(span_id_bytes);
        big_endian(transaction.trace.parent, ids_.parent.data());
    } else if (!has_trace || !bytes_of_hex(transaction.trace.parent_span_id, span_id_bytes, ids_.parent))
        ids_.parent.clear();
    return ids_;
}

std::string OtlpEncoder::encoded_resource(const Transaction& transaction) const {
    std::string out;
    const auto fill = [&](auto&& visitor) {
        visit_resource_attributes(transaction, visitor);
        for (const auto& [key, value] : options_.resource) visitor.text(key, value);
        visitor.text("telemetry.sdk.name", scope_name);
        visitor.text("telemetry.sdk.language", "cpp");
        visitor.text("telemetry.sdk.version", version_);
    };
    if (options_.format == OtlpFormat::protobuf) {
        protozero::pbf_writer resource(out);
        fill(ProtobufAttributes(resource, 1));
    } else {
        fill(JsonAttributes(out));
    }
    return out;
}

OtlpEncoder::Group& OtlpEncoder::group_of(const Transaction& transaction) {
    key_.assign(transaction.service);
    key_ += '\0';
    if (transaction.process) {
        key_ += std::to_string(transaction.process->pid);
        key_ += '\0';
        key_ += transaction.process->container_id;
    }
    if (transaction.kubernetes) {  // its names may become known later than its first request
        key_ += '\0';
        key_ += transaction.kubernetes->pod_uid;
        key_ += transaction.kubernetes->owner;
    }
    const auto [place, fresh] = known_.try_emplace(key_, groups_.size());
    if (fresh) groups_.push_back({encoded_resource(transaction), {}});
    return groups_[place->second];
}

bool OtlpEncoder::add(const Record& record) {
    const auto* transaction = std::get_if<Transaction>(&record);
    if (transaction == nullptr) return false;
    auto& group = group_of(*transaction);
    const auto before = group.spans.size();
    name_.clear();
    append_span_name(name_, *transaction);
    if (options_.format == OtlpFormat::protobuf) {
        add_protobuf(group.spans, *transaction);
    } else {
        add_json(group.spans, *transaction);
    }
    bytes_ += group.spans.size() - before;
    return true;
}

// Span { trace_id = 1; span_id = 2; parent_span_id = 4; name = 5; kind = 6; start = 7; end = 8; attributes = 9;
// Status status = 15 { code = 3 } }.
void OtlpEncoder::add_protobuf(std::string& spans, const Transaction& transaction) {
    const auto& ids = ids_of(transaction);
    protozero::pbf_writer scope(spans);
    protozero::pbf_writer span(scope, 2);
    span.add_bytes(1, ids.trace);
    span.add_bytes(2, ids.span);
    if (!ids.parent.empty()) span.add_bytes(4, ids.parent);
    span.add_string(5, name_);
    span.add_enum(6, static_cast<std::int32_t>(kind_of(transaction)));
    span.add_fixed64(7, transaction.time_ns);
    span.add_fixed64(8, transaction.time_ns + transaction.duration_ns);
    visit_span_attributes(transaction, ProtobufAttributes(span, 9));
    if (status_of(transaction) == SpanStatus::error) {
        protozero::pbf_writer status(span, 15);
        status.add_enum(3, static_cast<std::int32_t>(SpanStatus::error));
    }
}

void OtlpEncoder::add_json(std::string& spans, const Transaction& transaction) {
    const auto& ids = ids_of(transaction);
    if (!spans.empty()) spans += ',';
    spans += "{\"traceId\":\"";
    append_hex(spans, ids.trace);
    spans += "\",\"spanId\":\"";
    append_hex(spans, ids.span);
    if (!ids.parent.empty()) {
        spans += "\",\"parentSpanId\":\"";
        append_hex(spans, ids.parent);
    }
    spans += "\",\"name\":";
    append_json_string(spans, name_);
    spans += ",\"kind\":" + std::to_string(static_cast<int>(kind_of(transaction))) + ",\"startTimeUnixNano\":";
    append_quoted_number(spans, static_cast<std::int64_t>(transaction.time_ns));
    spans += ",\"endTimeUnixNano\":";
    append_quoted_number(spans, static_cast<std::int64_t>(transaction.time_ns + transaction.duration_ns));
    spans += ",\"attributes\":[";
    visit_span_attributes(transaction, JsonAttributes(spans));
    spans += "],\"status\":{";
    if (status_of(transaction) == SpanStatus::error) spans += "\"code\":2";
    spans += "}}";
}

// ExportTraceServiceRequest { ResourceSpans = 1 { Resource = 1; ScopeSpans = 2 { Scope = 1 { name = 1; version = 2 };
// Span = 2 } } }.
std::string OtlpEncoder::protobuf_body() const {
    std::string body;
    body.reserve(bytes_ + bytes_ / 8);
    protozero::pbf_writer request(body);
    for (const auto& group : groups_) {
        protozero::pbf_writer resource_spans(request, 1);
        resource_spans.add_message(1, group.resource);
        std::string scope_bytes;
        {
            protozero::pbf_writer scope_spans(scope_bytes);
            protozero::pbf_writer scope(scope_spans, 1);
            scope.add_string(1, scope_name);
            scope.add_string(2, version_);
        }
        scope_bytes += group.spans;
        resource_spans.add_message(2, scope_bytes);
    }
    return body;
}

std::string OtlpEncoder::json_body() const {
    std::string body = "{\"resourceSpans\":[";
    for (const auto& group : groups_) {
        if (&group != &groups_.front()) body += ',';
        body += "{\"resource\":{\"attributes\":[" + group.resource + "]},\"scopeSpans\":[{\"scope\":{\"name\":\"" +
                scope_name + "\",\"version\":\"" + version_ + "\"},\"spans\":[" + group.spans + "]}]}";
    }
    return body + "]}";
}

std::string OtlpEncoder::take() {
    auto body = options_.format == OtlpFormat::protobuf ? protobuf_body() : json_body();
    groups_.clear();
    known_.clear();
    bytes_ = 0;
    return body;
}

}  // namespace sonde
