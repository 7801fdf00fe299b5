// Writers of OTLP messages, one for each of its two encodings, with the same members: what a message holds is written
// once. Field numbers and names: opentelemetry-proto 1.3; JSON: ids as hexadecimal, enums as numbers, 64-bit integers
// as strings (OTLP 1.3 §JSON Protobuf Encoding). Inside of sinks/otlp only.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sinks/event_json.hpp"
#include "sinks/otlp/otlp_options.hpp"

namespace sonde {

template <typename Number>
void append_number(std::string& out, Number value) {
    std::array<char, 32> digits{};
    const auto* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

// Infinity and NaN are strings in protobuf's JSON.
inline void append_real(std::string& out, double value) {
    if (std::isfinite(value)) return append_number(out, value);
    out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

template <typename Number>
void append_quoted_number(std::string& out, Number value) {
    out += '"';
    append_number(out, value);
    out += '"';
}

// Attributes as KeyValue { string key = 1; AnyValue value = 2 } in field `tag` of `parent`. AnyValue: string_value = 1,
// bool_value = 2, int_value = 3, double_value = 4.
class ProtobufAttributes {
public:
    ProtobufAttributes(protozero::pbf_writer& parent, protozero::pbf_tag_type tag) : parent_(parent), tag_(tag) {}
    void text(std::string_view key, std::string_view value) {
        add(key, [&](auto& any) { any.add_string(1, value.data(), value.size()); });
    }
    void boolean(std::string_view key, bool value) {
        add(key, [&](auto& any) { any.add_bool(2, value); });
    }
    void integer(std::string_view key, std::int64_t value) {
        add(key, [&](auto& any) { any.add_int64(3, value); });
    }
    void number(std::string_view key, double value) {
        add(key, [&](auto& any) { any.add_double(4, value); });
    }

private:
    template <typename Add>
    void add(std::string_view key, Add add_value) {
        protozero::pbf_writer pair(parent_, tag_);
        pair.add_string(1, key.data(), key.size());
        protozero::pbf_writer any(pair, 2);
        add_value(any);
    }
    protozero::pbf_writer& parent_;
    const protozero::pbf_tag_type tag_;
};

class JsonAttributes {
public:
    explicit JsonAttributes(std::string& out) : out_(out) {}
    void text(std::string_view key, std::string_view value) {
        begin(key, "stringValue");
        append_json_string(out_, value);
        out_ += "}}";
    }
    void boolean(std::string_view key, bool value) {
        begin(key, "boolValue");
        out_ += value ? "true}}" : "false}}";
    }
    void integer(std::string_view key, std::int64_t value) {
        begin(key, "intValue");
        append_quoted_number(out_, value);
        out_ += "}}";
    }
    void number(std::string_view key, double value) {
        begin(key, "doubleValue");
        append_real(out_, value);
        out_ += "}}";
    }

private:
    void begin(std::string_view key, std::string_view kind) {
        if (!first_) out_ += ',';
        first_ = false;
        out_ += "{\"key\":";
        append_json_string(out_, key);
        out_ += ",\"value\":{\"";
        out_ += kind;
        out_ += "\":";
    }
    std::string& out_;
    bool first_ = true;
};

class ProtobufFields {
public:
    using Tag = protozero::pbf_tag_type;
    using Name = std::string_view;
    explicit ProtobufFields(protozero::pbf_writer& out) : out_(out) {}

    void text(Tag tag, Name, std::string_view value) { out_.add_string(tag, value.data(), value.size()); }
    void id(Tag tag, Name, std::string_view bytes) { out_.add_bytes(tag, bytes.data(), bytes.size()); }
    void enumeration(Tag tag, Name, std::int32_t value) { out_.add_enum(tag, value); }
    void uint32(Tag tag, Name, std::uint32_t value) { out_.add_uint32(tag, value); }
    void sint32(Tag tag, Name, std::int32_t value) { out_.add_sint32(tag, value); }
    void fixed64(Tag tag, Name, std::uint64_t value) { out_.add_fixed64(tag, value); }
    void real(Tag tag, Name, double value) { out_.add_double(tag, value); }
    void boolean(Tag tag, Name, bool value) { out_.add_bool(tag, value); }
    void varints(Tag tag, Name, const std::vector<std::uint64_t>& values) {
        out_.add_packed_uint64(tag, values.begin(), values.end());
    }
    void fixed64s(Tag tag, Name, const std::vector<std::uint64_t>& values) {
        out_.add_packed_fixed<std::uint64_t>(tag, values.begin(), values.end());
    }
    void reals(Tag tag, Name, const std::vector<double>& values) {
        out_.add_packed_fixed<double>(tag, values.begin(), values.end());
    }
    template <typename Fill>
    void attributes(Tag tag, Name, Fill fill) {
        fill(ProtobufAttributes(out_, tag));
    }
    template <typename Fill>
    void message(Tag tag, Name, Fill fill) {
        protozero::pbf_writer inner(out_, tag);
        ProtobufFields fields(inner);
        fill(fields);
    }
    // count messages of one repeated field; fill(fields, index).
    template <typename Fill>
    void messages(Tag tag, Name name, std::size_t count, Fill fill) {
        for (std::size_t i = 0; i < count; ++i) message(tag, name, [&](auto& fields) { fill(fields, i); });
    }
    // A message that begins with a repeated field which write_item() made.
    template <typename Fill>
    void message_of(Tag tag, Name, Name, const std::string& items, Fill fill) {
        auto bytes = items;
        {
            protozero::pbf_writer inner(bytes);
            ProtobufFields fields(inner);
            fill(fields);
        }
        out_.add_message(tag, bytes);
    }

private:
    protozero::pbf_writer& out_;
};

class JsonFields {
public:
    using Tag = protozero::pbf_tag_type;
    using Name = std::string_view;
    explicit JsonFields(std::string& out, bool first = true) : out_(out), first_(first) {}

    void text(Tag, Name name, std::string_view value) {
        begin(name);
        append_json_string(out_, value);
    }
    void id(Tag, Name name, std::string_view bytes) {
        constexpr std::string_view digits = "0123456789abcdef";
        begin(name);
        out_ += '"';
        for (const char c : bytes) {
            out_ += digits[static_cast<unsigned char>(c) >> 4U];
            out_ += digits[static_cast<unsigned char>(c) & 0xFU];
        }
        out_ += '"';
    }
    void enumeration(Tag, Name name, std::int32_t value) { begin(name), append_number(out_, value); }
    void uint32(Tag, Name name, std::uint32_t value) { begin(name), append_number(out_, value); }
    void sint32(Tag, Name name, std::int32_t value) { begin(name), append_number(out_, value); }
    void fixed64(Tag, Name name, std::uint64_t value) { begin(name), append_quoted_number(out_, value); }
    void real(Tag, Name name, double value) { begin(name), append_real(out_, value); }
    void boolean(Tag, Name name, bool value) { begin(name), out_ += value ? "true" : "false"; }
    void varints(Tag tag, Name name, const std::vector<std::uint64_t>& values) { fixed64s(tag, name, values); }
    void fixed64s(Tag, Name name, const std::vector<std::uint64_t>& values) {
        list(name, values.size(), [&](std::size_t i) { append_quoted_number(out_, values[i]); });
    }
    void reals(Tag, Name name, const std::vector<double>& values) {
        list(name, values.size(), [&](std::size_t i) { append_real(out_, values[i]); });
    }
    template <typename Fill>
    void attributes(Tag, Name name, Fill fill) {
        begin(name);
        out_ += '[';
        fill(JsonAttributes(out_));
        out_ += ']';
    }
    template <typename Fill>
    void message(Tag, Name name, Fill fill) {
        begin(name);
        object(fill);
    }
    template <typename Fill>
    void messages(Tag, Name name, std::size_t count, Fill fill) {
        list(name, count, [&](std::size_t i) { object([&](auto& fields) { fill(fields, i); }); });
    }
    template <typename Fill>
    void message_of(Tag, Name name, Name items_name, const std::string& items, Fill fill) {
        begin(name);
        out_ += "{\"";
        out_ += items_name;
        out_ += "\":[" + items + ']';
        JsonFields fields(out_, false);
        fill(fields);
        out_ += '}';
    }

private:
    void begin(Name name) {
        out_ += first_ ? "\"" : ",\"";
        first_ = false;
        out_ += name;
        out_ += "\":";
    }
    template <typename Fill>
    void object(Fill fill) {
        out_ += '{';
        JsonFields fields(out_);
        fill(fields);
        out_ += '}';
    }
    template <typename Add>
    void list(Name name, std::size_t count, Add add) {
        begin(name);
        out_ += '[';
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0) out_ += ',';
            add(i);
        }
        out_ += ']';
    }
    std::string& out_;
    bool first_;
};

// Appends one message of a repeated field: in protobuf field `tag` of what holds the list, in JSON an object with the
// comma before it.
template <typename Fill>
void write_item(OtlpFormat format, std::string& items, protozero::pbf_tag_type tag, Fill fill) {
    if (format == OtlpFormat::protobuf) {
        protozero::pbf_writer parent(items);
        protozero::pbf_writer message(parent, tag);
        ProtobufFields fields(message);
        fill(fields);
        return;
    }
    items += items.empty() ? "{" : ",{";
    JsonFields fields(items);
    fill(fields);
    items += '}';
}

}  // namespace sonde
