#include <array>
#include <cmath>

#include "agent/config/reference.hpp"
#include "agent/config/sections.hpp"
#include "agent/config/unit.hpp"
#include "agent/config/value.hpp"

namespace sonde {
namespace {

std::string json_text(std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.append(1, '\\').append(1, c);
        } else if (byte < 0x20) {
            out.append("\\u00").append(1, hex[byte >> 4U]).append(1, hex[byte & 15U]);
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string json_words(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : ", ") + json_text(word);
    return "[" + out + "]";
}

std::string bounds(const Field& field) {
    std::string out;
    // what 0 means beside the bounds no pair of bounds can say
    if (std::isfinite(field.least) && field.zero_means.empty()) out += ", \"minimum\": " + format_real(field.least);
    if (std::isfinite(field.most)) out += ", \"maximum\": " + format_real(field.most);
    return out;
}

std::string object_schema(const Fields& fields, const std::string& indent);

constexpr std::string_view duration_pattern = "^(0|[0-9]+(\\\\.[0-9]+)? ?(ns|us|µs|ms|s|m|h|d))$";
constexpr std::string_view size_pattern = "^[0-9]+(\\\\.[0-9]+)? ?(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)?$";
constexpr std::string_view rate_pattern = "^(0|[0-9]+(\\\\.[0-9]+)? ?(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)?/s)$";

std::string quantity(std::string_view pattern) {
    // a bare number counts bytes, a bare 0 needs no unit
    return "\"type\": [\"string\", \"integer\"], \"pattern\": \"" + std::string(pattern) + "\"";
}

std::string type_of(const Field& field, const std::string& indent) {
    const auto most = ", \"maxItems\": " + std::to_string(field.max_elements);
    switch (field.kind) {
        case FieldKind::boolean:
            return "\"type\": \"boolean\"";
        case FieldKind::integer:
            return "\"type\": \"integer\"" + bounds(field);
        case FieldKind::number:
            return "\"type\": \"number\"" + bounds(field);
        case FieldKind::text:
            return R"("type": ["string", "number", "boolean"])";
        case FieldKind::duration:
            return quantity(duration_pattern);
        case FieldKind::size:
            return quantity(size_pattern);
        case FieldKind::rate:
            return quantity(rate_pattern);
        case FieldKind::choice:
            return "\"enum\": " + json_words(field.choices);
        case FieldKind::text_list:
            return R"("type": ["array", "null"], "items": {"type": ["string", "number", "boolean"]})" + most;
        case FieldKind::text_map:
            return R"("type": ["object", "null"], "additionalProperties": {"type": ["string", "number", "boolean"]})";
        case FieldKind::choice_map:
            return R"("type": ["object", "null"], "additionalProperties": {"enum": )" + json_words(field.choices) + "}";
        case FieldKind::object:
            return object_schema(field.fields, indent);
        case FieldKind::object_list:
            return "\"type\": [\"array\", \"null\"]" + most + ", \"items\": {" + object_schema(field.fields, indent) +
                   "}";
        case FieldKind::object_map:
            return R"("type": ["object", "null"], "additionalProperties": {)" + object_schema(field.fields, indent) +
                   "}";
    }
    return {};
}

std::string object_schema(const Fields& fields, const std::string& indent) {
    const auto inner = indent + "  ";
    std::string properties, required;
    const auto add = [&](const std::string& key, const std::string& body) {
        properties += (properties.empty() ? "\n" : ",\n") + inner + json_text(key) + ": {" + body + "}";
    };
    for (const auto& field : fields) {
        add(field.key, "\"description\": " + json_text(field.help) + ", " + type_of(field, inner));
        if (field.secret)
            add(field.key + "_file",
                "\"description\": " + json_text("A file that holds `" + field.key + "`.") + ", \"type\": \"string\"");
        if (field.required && !field.secret) required += (required.empty() ? "" : ", ") + json_text(field.key);
    }
    return "\"type\": [\"object\", \"null\"], \"additionalProperties\": false" +
           (required.empty() ? "" : ", \"required\": [" + required + "]") + ", \"properties\": {" + properties + "\n" +
           indent + "}";
}

}  // namespace

std::string configuration_json_schema() {
    return "{\n\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n\"title\": \"sonde\",\n" +
           object_schema(config_schema().fields, "") + "\n}\n";
}

}  // namespace sonde
