#include <charconv>
#include <string>

#include "agent/log/text_cursor.hpp"
#include "agent/log/text_formats.hpp"

namespace sonde {
namespace {

// "0.123" seconds as nanoseconds; -1: not that
std::int64_t seconds_ns(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0) || value > 1e6) return -1;
    return static_cast<std::int64_t>(value * 1e9 + 0.5);
}

bool is_duration_key(std::string_view key) { return key == "rt" || key == "request_time" || key == "duration"; }

constexpr std::string_view extra_names[] = {"extra_1", "extra_2", "extra_3", "extra_4",
                                            "extra_5", "extra_6", "extra_7", "extra_8"};

// What stands behind the user agent: key=value, key="value", "value", value
void take_extras(TextCursor at, LogRecord& record) {
    std::size_t unnamed = 0;
    for (at.skip_spaces(); !at.at_end(); at.skip_spaces()) {
        std::string_view key, value;
        if (!at.take_quoted(value)) {
            const auto rest = at.rest();
            const auto stop = rest.find_first_of("= ");
            if (stop != std::string_view::npos && stop > 0 && rest[stop] == '=') {
                key = rest.substr(0, stop);
                at.skip(stop + 1);
            }
            if (key.empty() || !at.take_quoted(value)) value = at.take_word();
            if (key.empty() && value.empty()) at.skip(1);
        }
        if (value.empty() || value == "-") continue;
        if (is_duration_key(key) && record.access.duration_ns < 0) record.access.duration_ns = seconds_ns(value);
        if (!key.empty())
            record.add_attribute(key, value);
        else if (unnamed < std::size(extra_names))
            record.add_attribute(extra_names[unnamed++], value);
        else
            record.add_attribute("extra", value);
    }
}

// [vhost] client ident user: what stands before the time
bool take_client(std::string_view before, LogRecord& record) {
    std::string_view words[4];
    std::size_t count = 0;
    TextCursor at(before);
    for (at.skip_spaces(); !at.at_end(); at.skip_spaces()) {
        if (count == 4) return false;
        words[count++] = at.take_word();
    }
    if (count < 3) return false;
    record.access.client = words[count - 3];
    record.add_attribute("client.address", words[count - 3]);
    if (count == 4) record.add_attribute("server.address", words[0]);
    if (words[count - 1] != "-") record.add_attribute("user.name", words[count - 1]);
    return true;
}

}  // namespace

bool take_request_line(std::string_view text, LogAccess& access) {
    const auto first = text.find(' '), last = text.rfind(' ');
    if (first == std::string_view::npos || first == 0 || first > 32) return false;
    for (const char c : text.substr(0, first))
        if (!is_upper(c) && c != '-' && c != '_') return false;
    access.method = text.substr(0, first);
    const bool with_protocol = last != first && text.substr(last + 1).starts_with("HTTP/");
    access.path = text.substr(first + 1, with_protocol ? last - first - 1 : std::string_view::npos);
    if (with_protocol) access.protocol = text.substr(last + 1);
    return !access.path.empty();
}

bool parse_access(std::string_view line, TimeParser& times, LogRecord& record) {
    TextCursor at(line);
    std::string_view before, request;
    if (!at.take_until(" [", before) || !take_client(before, record)) return false;
    const auto time = times.clf(at.rest());
    if (!time) return false;
    at.skip(time.used);
    if (!at.take("] ") || !at.take_quoted(request) || !at.take(' ')) return false;
    const auto status = at.take_digits();
    if (status.size() != 3 || status[0] < '1' || status[0] > '9' || !at.take(' ')) return false;
    const auto bytes = at.take_word();
    std::int64_t body = 0;
    if (bytes != "-") {
        const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), body);
        if (error != std::errc{} || end != bytes.data() + bytes.size()) return false;
    }
    auto& access = record.access;
    record.time_ns = time.ns;
    record.message = request;
    take_request_line(request, access);  // "-" and bytes of TLS sent to a plain port are no request line
    access.status = static_cast<std::uint16_t>((status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0'));
    access.body_bytes = body;
    if (!access.method.empty()) record.add_attribute("http.request.method", access.method);
    if (!access.path.empty()) record.add_attribute("url.path", access.path);
    record.add_attribute("http.response.status_code", status, AttributeType::number);
    record.add_attribute("http.response.body.size", bytes == "-" ? "0" : bytes, AttributeType::number);
    at.skip_spaces();
    std::string_view referer, agent;
    if (at.take_quoted(referer)) {
        // not kept: what a client says of another page may hold anything, and headers do not leave (docs/redaction.md)
        at.skip_spaces();
        if (at.take_quoted(agent) && agent != "-" && !agent.empty()) record.add_attribute("user_agent.original", agent);
    }
    take_extras(at, record);
    record.format = LogFormat::access;
    return true;
}

}  // namespace sonde
