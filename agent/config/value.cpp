#include "agent/config/value.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "agent/config/nearest.hpp"
#include "agent/config/unit.hpp"
#include "agent/config/utf8.hpp"

namespace sonde {
namespace {

constexpr std::size_t shown_bytes_max = 60;

std::string show_quantity(FieldKind kind, double quantity) {
    const auto whole = static_cast<std::int64_t>(quantity);
    switch (kind) {
        case FieldKind::duration:
            return format_duration(whole);
        case FieldKind::size:
            return format_size(whole);
        case FieldKind::rate:
            return format_rate(whole);
        case FieldKind::number:
            return format_real(quantity);
        default:
            return std::to_string(whole);
    }
}

std::string range_text(const Field& field) {
    std::string text;
    if (std::isfinite(field.least)) text += " from " + show_quantity(field.kind, field.least);
    if (std::isfinite(field.most)) text += (text.empty() ? " up to " : " to ") + show_quantity(field.kind, field.most);
    if (field.step > 1) text += ", in whole " + show_quantity(field.kind, static_cast<double>(field.step));
    if (!field.zero_means.empty()) text += ", or 0 (" + field.zero_means + ")";
    return text;
}

bool is_integer_list(const Field& field) { return field.kind == FieldKind::text_list && std::isfinite(field.least); }

std::string counted(const Field& field) { return field.unit.empty() ? "" : " of " + field.unit; }

std::string words(const std::vector<std::string>& choices) {
    std::string text;
    for (const auto& choice : choices)
        text += (text.empty() ? "" : &choice == &choices.back() ? " or " : ", ") + choice;
    return text;
}

std::string quoted(std::string_view text) {
    std::size_t shown = 0;
    while (shown < text.size() && shown < shown_bytes_max)
        shown += std::max<std::size_t>(1, utf8_length(text.substr(shown)));
    const bool cut = shown < text.size();
    std::string out = "'" + std::string(text.substr(0, shown)) + (cut ? "…'" : "'");
    std::replace_if(
        out.begin(), out.end(), [](unsigned char c) { return c < 0x20; }, ' ');
    return out;
}

// Numbers and quantities; nothing: not one, or out of range.
std::optional<FieldValue> parse_quantity(const Field& field, const std::string& text) {
    if (field.kind == FieldKind::number) {
        const auto number = parse_real(text);
        const bool zero = number && *number == 0 && !field.zero_means.empty();
        if (!number || (!zero && (*number < field.least || *number > field.most))) return std::nullopt;
        return FieldValue(*number);
    }
    const auto whole = field.kind == FieldKind::integer    ? parse_integer(text)
                       : field.kind == FieldKind::duration ? parse_duration(text)
                       : field.kind == FieldKind::size     ? parse_size(text)
                                                           : parse_rate(text);
    if (!whole) return std::nullopt;
    const auto quantity = static_cast<double>(*whole);
    const bool zero = *whole == 0 && !field.zero_means.empty();
    if ((!zero && (quantity < field.least || quantity > field.most)) || *whole % field.step != 0) return std::nullopt;
    return FieldValue(*whole);
}

std::optional<FieldValue> parse_text(const Field& field, const ConfigNode& node) {
    const auto& text = node.text;
    switch (field.kind) {
        case FieldKind::boolean:
            if (node.quoted || (text != "true" && text != "false")) return std::nullopt;
            return FieldValue(text == "true");
        case FieldKind::integer:
        case FieldKind::number:
            if (node.quoted) return std::nullopt;
            return parse_quantity(field, text);
        case FieldKind::duration:
        case FieldKind::size:
        case FieldKind::rate:
            return parse_quantity(field, text);
        case FieldKind::choice:
            if (std::find(field.choices.begin(), field.choices.end(), text) == field.choices.end()) return std::nullopt;
            return FieldValue(text);
        default:
            return FieldValue(text);
    }
}

BadValue mismatch(const Field& field, const ConfigNode& node) {
    std::string message = "expected " + expected(field) + ", found " + found(field, node);
    if (field.kind == FieldKind::choice && node.kind == ConfigNode::Kind::text)
        if (const auto near = nearest(node.text, field.choices); !near.empty())
            message += "; did you mean '" + near + "'?";
    return {std::move(message), node.place};
}

using Read = std::variant<FieldValue, BadValues>;

Read too_many(const Field& field, const char* what, std::size_t found_elements, const ConfigNode& node) {
    return BadValues{
        {"there may be " + std::to_string(field.max_elements) + what + ", found " + std::to_string(found_elements),
         node.place}};
}

Read read_text_list(const Field& field, const ConfigNode& node) {
    if (node.kind == ConfigNode::Kind::nothing) return FieldValue(TextList{});
    if (node.kind != ConfigNode::Kind::list) return BadValues{mismatch(field, node)};
    if (node.items.size() > field.max_elements) return too_many(field, " elements", node.items.size(), node);
    TextList list;
    BadValues bad;
    Field element;
    element.kind = FieldKind::integer;
    element.least = field.least;
    element.most = field.most;
    for (const auto& item : node.items) {
        if (item.kind != ConfigNode::Kind::text) {
            bad.push_back({"expected a text as element, found " + found(field, item), item.place});
            continue;
        }
        if (is_integer_list(field) && !parse_quantity(element, item.text))
            bad.push_back({"expected " + expected(element) + ", found " + found(field, item), item.place});
        if (field.check)
            if (auto wrong = field.check(item.text); !wrong.empty()) bad.push_back({std::move(wrong), item.place});
        list.push_back(item.text);
    }
    if (!bad.empty()) return bad;
    return FieldValue(std::move(list));
}

Read read_text_map(const Field& field, const ConfigNode& node) {
    if (node.kind == ConfigNode::Kind::nothing) return FieldValue(TextMap{});
    if (node.kind != ConfigNode::Kind::map) return BadValues{mismatch(field, node)};
    if (node.members.size() > field.max_elements) return too_many(field, " names", node.members.size(), node);
    Field word;
    word.kind = field.kind == FieldKind::choice_map ? FieldKind::choice : FieldKind::text;
    word.choices = field.choices;
    TextMap map;
    BadValues bad;
    for (const auto& member : node.members) {
        if (member.value.kind != ConfigNode::Kind::text || !parse_text(word, member.value)) {
            auto wrong = mismatch(word, member.value);
            bad.push_back({"'" + member.key + "': " + wrong.message, wrong.place});
        } else if (field.check) {
            if (auto wrong = field.check(member.key); !wrong.empty()) bad.push_back({std::move(wrong), member.place});
        }
        map.emplace_back(member.key, member.value.text);
    }
    if (!bad.empty()) return bad;
    return FieldValue(std::move(map));
}

}  // namespace

std::string expected(const Field& field) {
    switch (field.kind) {
        case FieldKind::boolean:
            return "true or false";
        case FieldKind::integer:
            return "a whole number" + counted(field) + range_text(field);
        case FieldKind::number:
            return "a number" + counted(field) + range_text(field);
        case FieldKind::text:
            return "a text";
        case FieldKind::duration:
            return "a duration with its unit (250ms, 5s, 2h)" + range_text(field);
        case FieldKind::size:
            return "a size with its unit (512B, 64KiB, 10MB)" + range_text(field);
        case FieldKind::rate:
            return "a rate with its unit (64KiB/s, 10MB/s)" + range_text(field);
        case FieldKind::choice:
            return words(field.choices);
        case FieldKind::text_list:
            if (is_integer_list(field)) return "a list of whole numbers" + range_text(field);
            return "a list of texts";
        case FieldKind::text_map:
            return "a map of names to texts";
        case FieldKind::choice_map:
            return "a map of names to " + words(field.choices);
        case FieldKind::object:
            return "a map of settings";
        case FieldKind::object_list:
            return "a list of maps";
        case FieldKind::object_map:
            return "a map of names to maps";
    }
    return "a value";
}

std::string found(const Field& field, const ConfigNode& node) {
    switch (node.kind) {
        case ConfigNode::Kind::nothing:
            return "nothing";
        case ConfigNode::Kind::list:
            return "a list";
        case ConfigNode::Kind::map:
            return "a map";
        case ConfigNode::Kind::text:
            break;
    }
    if (field.secret) return "a text";
    const bool strict = field.kind <= FieldKind::number;
    return (node.quoted && strict ? "the text " : "") + quoted(node.text);
}

Read read_value(const Field& field, const ConfigNode& node) {
    if (field.kind == FieldKind::text_list) return read_text_list(field, node);
    if (field.kind == FieldKind::text_map || field.kind == FieldKind::choice_map) return read_text_map(field, node);
    if (node.kind != ConfigNode::Kind::text) return BadValues{mismatch(field, node)};
    // the check first: it says more about what its field wants
    if (field.check)
        if (auto wrong = field.check(node.text); !wrong.empty()) return BadValues{{std::move(wrong), node.place}};
    auto value = parse_text(field, node);
    if (!value) return BadValues{mismatch(field, node)};
    return *std::move(value);
}

std::string show_text(const std::string& text) {
    constexpr std::string_view plain_more = "-_./";
    const bool letters = !text.empty() && ((text[0] >= 'a' && text[0] <= 'z') || text[0] == '/');
    const bool plain = letters && std::all_of(text.begin(), text.end(), [&](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                  plain_more.find(c) != std::string_view::npos;
                       });
    // words that YAML 1.1 or 1.2 readers take for something else
    constexpr std::array other{"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
    if (plain && std::find(other.begin(), other.end(), text) == other.end()) return text;
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            constexpr std::string_view hex = "0123456789abcdef";
            out += "\\x";
            out += hex[static_cast<unsigned char>(c) >> 4U];
            out += hex[static_cast<unsigned char>(c) & 15U];
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string show_value(const Field& field, const FieldValue& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        if (field.secret) return text->empty() ? "\"\"" : "\"***\"";
        return field.kind == FieldKind::choice ? *text : show_text(*text);
    }
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
        switch (field.kind) {
            case FieldKind::duration:
                return format_duration(*whole);
            case FieldKind::size:
                return format_size(*whole);
            case FieldKind::rate:
                return format_rate(*whole);
            default:
                return std::to_string(*whole);
        }
    }
    if (const auto* number = std::get_if<double>(&value)) return format_real(*number);
    std::string out;
    if (const auto* list = std::get_if<TextList>(&value)) {
        for (const auto& text : *list)
            out += (out.empty() ? "" : ", ") + (is_integer_list(field) ? text : show_text(text));
        return "[" + out + "]";
    }
    for (const auto& [name, text] : std::get<TextMap>(value))
        out += (out.empty() ? "" : ", ") + show_text(name) + ": " + show_text(text);
    return "{" + out + "}";
}

}  // namespace sonde
