#include "agent/log/json_format.hpp"

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <string>

#include "agent/log/record_fields.hpp"

namespace sonde {
namespace {

namespace json = boost::json;

constexpr std::size_t flatten_depth = 4;
constexpr std::size_t max_depth = 32;  // deeper lines are not taken for JSON

// Where the container that begins with `open` ends; `from` is outside of strings. The text up to the parser's position
// is known to be valid.
const char* find_open(const char* from, const char* end, char open) {
    bool quoted = false;
    for (; from < end; ++from) {
        if (*from == '\\' && quoted)
            ++from;
        else if (*from == '"')
            quoted = !quoted;
        else if (!quoted && *from == open)
            return from;
    }
    return end;
}

const char* find_close(const char* open, const char* end) {
    bool quoted = false;
    std::size_t depth = 0;
    for (const char* at = open; at < end; ++at) {
        if (quoted) {
            if (*at == '\\')
                ++at;
            else
                quoted = *at != '"';
        } else if (*at == '"') {
            quoted = true;
        } else if (*at == '[' || *at == '{') {
            ++depth;
        } else if ((*at == ']' || *at == '}') && --depth == 0) {
            return at + 1;
        }
    }
    return end;
}

// What both handlers need: strings in one piece, in the line itself or in the record's arena.
class StringPieces {
public:
    void begin(std::string_view line, LogRecord& record) {
        line_ = line, record_ = &record;
        pieces_.clear();
    }
    void add(json::string_view piece) { pieces_.append(piece.data(), piece.size()); }
    std::string_view finish(json::string_view last) {
        if (pieces_.empty()) {
            const std::string_view text(last.data(), last.size());
            return in_line(text) ? text : record_->text.add(text);
        }
        add(last);
        const auto whole = record_->text.add(pieces_);
        pieces_.clear();
        if (pieces_.capacity() > kept_bytes_max) pieces_ = {};
        return whole;
    }
    [[nodiscard]] bool in_line(std::string_view text) const {
        return text.data() >= line_.data() && text.data() + text.size() <= line_.data() + line_.size();
    }

private:
    static constexpr std::size_t kept_bytes_max = 64 * 1024;
    std::string_view line_;
    LogRecord* record_ = nullptr;
    std::string pieces_;
};

// The events that no handler here cares about.
struct QuietEvents {
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
    using Code = json::error_code;

    bool on_document_begin(Code&) { return true; }
    bool on_document_end(Code&) { return true; }
    bool on_number_part(json::string_view, Code&) { return true; }
    bool on_comment_part(json::string_view, Code&) { return true; }
    bool on_comment(json::string_view, Code&) { return true; }
};

// [{"key": k, "value": {"stringValue": v}}, …]: OTLP's JSON form of attributes (opentelemetry-proto, common.proto).
struct OtelAttributes : QuietEvents {
    StringPieces pieces;
    LogRecord* record = nullptr;
    std::size_t depth = 0;
    std::string_view key, name;

    void scalar(std::string_view value, AttributeType type) {
        if (depth == 2 && name == "key") key = value;
        if (depth == 3 && !key.empty()) record->add_attribute(key, value, type), key = {};
    }
    bool on_object_begin(Code&) { return ++depth; }
    bool on_object_end(std::size_t, Code&) { return --depth, true; }
    bool on_array_begin(Code&) { return ++depth; }
    bool on_array_end(std::size_t, Code&) { return --depth, true; }
    bool on_key_part(json::string_view s, std::size_t, Code&) { return pieces.add(s), true; }
    bool on_key(json::string_view s, std::size_t, Code&) { return name = pieces.finish(s), true; }
    bool on_string_part(json::string_view s, std::size_t, Code&) { return pieces.add(s), true; }
    bool on_string(json::string_view s, std::size_t, Code&) {
        return scalar(pieces.finish(s), AttributeType::string), true;
    }
    bool number(json::string_view s) { return scalar({s.data(), s.size()}, AttributeType::number), true; }
    bool on_int64(std::int64_t, json::string_view s, Code&) { return number(s); }
    bool on_uint64(std::uint64_t, json::string_view s, Code&) { return number(s); }
    bool on_double(double, json::string_view s, Code&) { return number(s); }
    bool on_bool(bool value, Code&) { return scalar(value ? "true" : "false", AttributeType::boolean), true; }
    bool on_null(Code&) { return true; }
};

struct LineEvents : QuietEvents {
    StringPieces pieces;
    std::string_view line;
    LogRecord* record = nullptr;
    RecordFields* fields = nullptr;
    json::basic_parser<OtelAttributes>* otel = nullptr;

    std::size_t depth = 0;    // of flattened objects
    std::size_t skipped = 0;  // containers open within one that is taken whole
    const char* position = nullptr;
    const char* whole_begin = nullptr;
    std::string_view key, prefix;
    std::array<std::string_view, flatten_depth + 1> prefixes;

    void begin(std::string_view text, LogRecord& out, RecordFields& taker) {
        line = text, record = &out, fields = &taker;
        pieces.begin(text, out);
        depth = skipped = 0;
        position = text.data();
        key = prefix = {};
    }
    void passed(std::string_view text, std::size_t quote) {
        if (pieces.in_line(text)) position = text.data() + text.size() + quote;
    }
    std::string_view full_key() {
        if (prefix.empty()) return key;
        char* place = record->text.allocate(prefix.size() + 1 + key.size());
        char* end = std::copy(prefix.begin(), prefix.end(), place);
        *end++ = '.';
        std::copy(key.begin(), key.end(), end);
        return {place, prefix.size() + 1 + key.size()};
    }
    void scalar(std::string_view value, AttributeType type) { fields->take(full_key(), value, type); }

    bool open(char bracket) {
        const char* const end = line.data() + line.size();
        const char* const at = find_open(position, end, bracket);
        position = std::min(at + 1, end);
        if (bracket == '{' && depth < flatten_depth) {
            prefixes[depth] = prefix;
            if (depth > 0) prefix = full_key();
            ++depth;
            return true;
        }
        whole_begin = at;
        skipped = 1;
        return true;
    }
    bool close(bool array) {
        if (skipped == 0) {
            prefix = prefixes[--depth];
            return true;
        }
        if (--skipped > 0) return true;
        position = find_close(whole_begin, line.data() + line.size());
        const std::string_view text(whole_begin, static_cast<std::size_t>(position - whole_begin));
        const auto name = full_key();
        if (array && (name == "attributes" || name.ends_with(".attributes")) && take_otel(text)) return true;
        fields->take(name, text, AttributeType::json);
        return true;
    }
    bool take_otel(std::string_view text) {
        if (!text.starts_with("[{\"key\"") && !text.starts_with("[{ \"key\"")) return false;
        auto& handler = otel->handler();
        handler.pieces.begin(text, *record);
        handler.record = record;
        handler.depth = 0;
        handler.key = handler.name = {};
        otel->reset();
        json::error_code error;
        otel->write_some(false, text.data(), text.size(), error);
        return !error;
    }

    bool on_object_begin(Code&) { return skipped > 0 ? ++skipped > 0 : open('{'); }
    bool on_object_end(std::size_t, Code&) { return close(false); }
    bool on_array_begin(Code& error) {
        if (skipped > 0) return ++skipped > 0;
        if (depth == 0) return error = json::error::not_object, false;
        return open('[');
    }
    bool on_array_end(std::size_t, Code&) { return close(true); }
    bool on_key_part(json::string_view s, std::size_t, Code&) {
        if (skipped == 0) pieces.add(s);
        return true;
    }
    bool on_key(json::string_view s, std::size_t, Code&) {
        if (skipped > 0) return true;
        key = pieces.finish(s);
        passed(key, 1);
        return true;
    }
    bool on_string_part(json::string_view s, std::size_t, Code&) {
        if (skipped == 0) pieces.add(s);
        return true;
    }
    bool on_string(json::string_view s, std::size_t, Code& error) {
        if (depth == 0) return error = json::error::not_object, false;
        if (skipped > 0) return true;
        const auto value = pieces.finish(s);
        passed(value, 1);
        return scalar(value, AttributeType::string), true;
    }
    bool number(json::string_view s, Code& error) {
        if (depth == 0) return error = json::error::not_object, false;
        if (skipped > 0) return true;
        passed({s.data(), s.size()}, 0);
        return scalar({s.data(), s.size()}, AttributeType::number), true;
    }
    bool on_int64(std::int64_t, json::string_view s, Code& error) { return number(s, error); }
    bool on_uint64(std::uint64_t, json::string_view s, Code& error) { return number(s, error); }
    bool on_double(double, json::string_view s, Code& error) { return number(s, error); }
    bool word(std::string_view text, AttributeType type, Code& error) {
        if (depth == 0) return error = json::error::not_object, false;
        if (skipped == 0) scalar(text, type);
        return true;
    }
    bool on_bool(bool value, Code& error) { return word(value ? "true" : "false", AttributeType::boolean, error); }
    bool on_null(Code& error) { return word("null", AttributeType::null, error); }
};

json::parse_options options() {
    json::parse_options options;
    options.max_depth = max_depth;
    options.allow_invalid_utf8 = true;  // the line was repaired before; no second look
    return options;
}

}  // namespace

struct JsonFormat::Impl {
    explicit Impl(TimeParser& time_parser) : times(time_parser), parser(options()), otel(options()) {
        parser.handler().otel = &otel;
    }
    TimeParser& times;
    json::basic_parser<LineEvents> parser;
    json::basic_parser<OtelAttributes> otel;
};

JsonFormat::JsonFormat(TimeParser& times) : impl_(std::make_unique<Impl>(times)) {}
JsonFormat::~JsonFormat() = default;

bool JsonFormat::parse(std::string_view line, LogRecord& record) {
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t')) line.remove_suffix(1);
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (line.size() < 2 || line.front() != '{' || line.back() != '}') return false;
    RecordFields fields(record, impl_->times);
    auto& parser = impl_->parser;
    parser.reset();
    parser.handler().begin(line, record, fields);
    json::error_code error;
    const auto used = parser.write_some(false, line.data(), line.size(), error);
    if (error || used != line.size() || !fields.log_like()) return false;
    record.format = LogFormat::json;
    return true;
}

}  // namespace sonde
