#include "agent/query/event_line.hpp"

#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <chrono>
#include <climits>

namespace sonde {
namespace json = boost::json;
namespace {

// The order of EventFields' views first.
enum class Field : std::uint8_t {
    type,
    time,
    side,
    service,
    method,
    route,
    path,
    outcome,
    status,
    duration,
    weight,
    other
};
constexpr std::size_t text_fields = static_cast<std::size_t>(Field::status);

Field field_of(std::string_view key) {
    constexpr std::array<std::string_view, 11> names{"type",   "time",        "side",         "service",
                                                     "method", "route",       "path",         "outcome",
                                                     "status", "duration_ns", "sample_weight"};
    for (std::size_t i = 0; i < names.size(); ++i)
        if (names[i] == key) return static_cast<Field>(i);
    return Field::other;
}

struct Handler {
    static constexpr std::size_t max_object_size = SIZE_MAX, max_array_size = SIZE_MAX, max_key_size = SIZE_MAX,
                                 max_string_size = SIZE_MAX;

    std::string_view line;
    EventFields fields;
    std::array<std::string, text_fields> copies;  // of what the line holds with escapes
    std::string parts;                            // of a key or a string that comes in several
    unsigned depth = 0;
    Field current = Field::other;
    EventLineParser::Interest* interest = nullptr;
    bool left = false;

    void reset(std::string_view next) {
        line = next;
        fields = {};
        depth = 0;
        current = Field::other;
        parts.clear();
        left = false;
    }

    bool decided(json::error_code& ec) {
        if (interest == nullptr || depth != 1 || current == Field::other) return true;
        constexpr std::array<std::string_view, 9> names{"type",  "time", "side",    "service", "method",
                                                        "route", "path", "outcome", "status"};
        if (current > Field::status || interest->still(fields, names[static_cast<std::size_t>(current)])) return true;
        left = true;
        ec = json::error::exception;  // any: stops the parser
        return false;
    }

    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }
    bool on_object_begin(json::error_code&) { return ++depth, true; }
    bool on_object_end(std::size_t, json::error_code&) { return --depth, true; }
    bool on_array_begin(json::error_code&) { return ++depth, true; }
    bool on_array_end(std::size_t, json::error_code&) { return --depth, true; }
    bool on_key_part(json::string_view s, std::size_t, json::error_code&) {
        if (depth == 1) parts.append(s.data(), s.size());
        return true;
    }
    bool on_key(json::string_view s, std::size_t, json::error_code&) {
        if (depth != 1) return true;
        if (parts.empty()) {
            current = field_of({s.data(), s.size()});
        } else {
            parts.append(s.data(), s.size());
            current = field_of(parts);
            parts.clear();
        }
        return true;
    }
    bool on_string_part(json::string_view s, std::size_t, json::error_code&) {
        if (depth == 1 && static_cast<std::size_t>(current) < text_fields) parts.append(s.data(), s.size());
        return true;
    }
    bool on_string(json::string_view s, std::size_t, json::error_code& ec) {
        const auto i = static_cast<std::size_t>(current);
        if (depth != 1 || i >= text_fields) return true;
        std::string_view text(s.data(), s.size());
        // with escapes it lies in the parser's own buffer, which goes
        const bool in_line = s.data() >= line.data() && s.data() + s.size() <= line.data() + line.size();
        if (!parts.empty() || !in_line) {
            copies[i].assign(parts).append(text);
            parts.clear();
            text = copies[i];
        }
        *views()[i] = text;
        return decided(ec);
    }
    std::array<std::string_view*, text_fields> views() {
        return {&fields.type,   &fields.time,  &fields.side, &fields.service,
                &fields.method, &fields.route, &fields.path, &fields.outcome};
    }
    bool on_number_part(json::string_view, json::error_code&) { return true; }
    bool number(double value, std::uint64_t whole, json::error_code& ec) {
        if (depth != 1) return true;
        if (current == Field::status && whole < 1000) fields.status = static_cast<std::uint16_t>(whole);
        if (current == Field::duration) {
            fields.duration_ns = whole;
            fields.has_duration = true;
        }
        if (current == Field::weight && value > 0) fields.weight = value;
        return decided(ec);
    }
    bool on_int64(std::int64_t i, json::string_view, json::error_code& ec) {
        return number(static_cast<double>(i), i < 0 ? 0 : static_cast<std::uint64_t>(i), ec);
    }
    bool on_uint64(std::uint64_t u, json::string_view, json::error_code& ec) {
        return number(static_cast<double>(u), u, ec);
    }
    bool on_double(double d, json::string_view, json::error_code& ec) {
        return number(d, d > 0 && d < 1.8e19 ? static_cast<std::uint64_t>(d) : 0, ec);
    }
    bool on_bool(bool, json::error_code&) { return true; }
    bool on_null(json::error_code& ec) { return decided(ec); }
    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }
};

}  // namespace

class EventLineParser::Parser {
public:
    json::basic_parser<Handler> sax{json::parse_options{}};
};

EventLineParser::EventLineParser(Interest* interest) : parser_(std::make_unique<Parser>()) {
    parser_->sax.handler().interest = interest;
}
EventLineParser::~EventLineParser() = default;

LineState EventLineParser::parse(std::string_view line) {
    auto& sax = parser_->sax;
    sax.reset();
    sax.handler().reset(line);
    json::error_code ec;
    const auto used = sax.write_some(false, line.data(), line.size(), ec);
    if (sax.handler().left) return LineState::uninteresting;
    if (ec || !sax.done() || line.find_first_not_of(" \t\r", used) != std::string_view::npos) return LineState::damaged;
    return LineState::good;
}

const EventFields& EventLineParser::fields() const { return parser_->sax.handler().fields; }

std::uint64_t parse_event_time(std::string_view text) {
    // 2026-01-02T03:04:05[.678901234]Z
    const auto digits = [&](std::size_t at, std::size_t count) {
        unsigned value = 0;
        for (std::size_t i = at; i < at + count; ++i) {
            if (text[i] < '0' || text[i] > '9') return UINT_MAX;
            value = value * 10 + static_cast<unsigned>(text[i] - '0');
        }
        return value;
    };
    if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
        text.back() != 'Z')
        return 0;
    const auto year = digits(0, 4), month = digits(5, 2), day = digits(8, 2);
    const auto hour = digits(11, 2), minute = digits(14, 2), second = digits(17, 2);
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                                           std::chrono::day(day)};
    if (year > 2200 || year < 1970 || !date.ok() || hour > 23 || minute > 59 || second > 60) return 0;
    std::uint64_t ns = 0, unit = 1'000'000'000;
    if (text.size() > 20) {
        if (text[19] != '.') return 0;
        for (std::size_t i = 20; i + 1 < text.size() && unit > 1; ++i) {
            if (text[i] < '0' || text[i] > '9') return 0;
            unit /= 10;
            ns += static_cast<std::uint64_t>(text[i] - '0') * unit;
        }
    }
    const auto days = static_cast<std::uint64_t>(std::chrono::sys_days(date).time_since_epoch().count());
    return (days * 86'400 + hour * 3600 + minute * 60 + second) * 1'000'000'000 + ns;
}

}  // namespace sonde
