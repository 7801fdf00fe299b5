// The error logs of nginx, uvicorn and gunicorn, klog's and java.util.logging's.
#include <charconv>

#include "agent/log/record_fields.hpp"
#include "agent/log/severity.hpp"
#include "agent/log/text_cursor.hpp"
#include "agent/log/text_formats.hpp"

namespace sonde {
namespace {

// ", client: 127.0.0.1, server: x, request: "GET / HTTP/1.1", …": where the list begins, or npos
std::size_t find_nginx_fields(std::string_view text) {
    const auto client = text.find(", client: ");
    return client != std::string_view::npos ? client : text.find(", server: ");
}

void take_nginx_fields(std::string_view list, LogRecord& record) {
    TextCursor at(list);
    while (at.take(", ")) {
        std::string_view key, value;
        if (!at.take_until(": ", key)) return;
        if (!at.take_quoted(value)) {
            value = at.rest().substr(0, at.rest().find(", "));
            at.skip(value.size());
        }
        // as in access_format.cpp: the header's value does not leave
        if (value.empty() || key == "referrer") continue;
        if (key == "request") take_request_line(value, record.access);
        if (key == "client") record.access.client = value;
        record.add_attribute(key, value);
    }
}

// "key"="value" pairs of klog's InfoS, quoted or not
void take_klog_pairs(TextCursor at, LogRecord& record, TimeParser& times) {
    RecordFields fields(record, times);
    for (at.skip_spaces(); !at.at_end(); at.skip_spaces()) {
        std::string_view key, value;
        if (!at.take_until("=", key) || key.empty() || key.find(' ') != std::string_view::npos) return;
        if (!at.take_quoted(value)) value = at.take_word();
        // err is klog's own name for the error; the rest is what the program chose
        if (key == "err")
            record.exception.message = value;
        else
            fields.take(key, value, AttributeType::string);
    }
}

}  // namespace

bool parse_nginx_error(std::string_view line, TimeParser& times, LogRecord& record) {
    if (line.size() < 26 || line[4] != '/') return false;
    const auto time = times.date_time(line);
    TextCursor at(line);
    at.skip(time.used);
    std::string_view level;
    if (!time || !at.take(" [") || !at.take_until("] ", level)) return false;
    const auto pid = at.take_digits();
    if (pid.empty() || !at.take('#')) return false;
    const auto tid = at.take_digits();
    if (tid.empty() || !at.take(": ")) return false;
    record.severity = severity_from_word(level);
    if (record.severity == Severity::unknown) return false;
    record.severity_text = level;
    record.time_ns = time.ns;
    record.add_attribute("pid", pid, AttributeType::number);
    record.add_attribute("tid", tid, AttributeType::number);
    if (at.take('*')) {
        record.add_attribute("connection", at.take_digits(), AttributeType::number);
        at.take(' ');
    }
    const auto fields = find_nginx_fields(at.rest());
    record.message = at.rest().substr(0, fields);
    if (fields != std::string_view::npos) take_nginx_fields(at.rest().substr(fields), record);
    record.format = LogFormat::nginx_error;
    return true;
}

bool parse_uvicorn(std::string_view line, LogRecord& record) {
    const auto colon = line.substr(0, 10).find(':');
    if (colon == std::string_view::npos || colon + 1 >= line.size() || line[colon + 1] != ' ') return false;
    const auto level = line.substr(0, colon);
    if (!is_upper(level.empty() ? '\0' : level.back())) return false;
    record.severity = severity_from_word(level);
    if (record.severity == Severity::unknown || level.size() < 4) return false;
    // %(levelprefix)s pads "LEVEL:" to nine columns and one space follows: any other padding is another program's
    const auto message_at = line.find_first_not_of(' ', colon + 1);
    if (message_at == std::string_view::npos || (message_at != 10 && message_at != colon + 2)) return false;
    record.severity_text = level;
    record.message = line.substr(message_at);
    record.format = LogFormat::uvicorn;
    // 127.0.0.1:51234 - "GET /items/1 HTTP/1.1" 200 OK
    TextCursor at(record.message);
    std::string_view client, request;
    if (!at.take_until(" - ", client) || !at.take_quoted(request) || !at.take(' ')) return true;
    const auto status = at.take_digits();
    if (status.size() != 3 || !take_request_line(request, record.access)) return true;
    record.access.client = client;
    std::from_chars(status.data(), status.data() + 3, record.access.status);
    record.add_attribute("client.address", client);
    record.add_attribute("http.request.method", record.access.method);
    record.add_attribute("url.path", record.access.path);
    record.add_attribute("http.response.status_code", status, AttributeType::number);
    return true;
}

bool parse_gunicorn(std::string_view line, TimeParser& times, LogRecord& record) {
    TextCursor at(line);
    if (!at.take('[')) return false;
    const auto time = times.date_time(at.rest());
    at.skip(time.used);
    if (!time || !at.take("] [")) return false;
    const auto pid = at.take_digits();
    std::string_view level;
    if (pid.empty() || !at.take("] [") || !at.take_until("]", level)) return false;
    record.severity = severity_from_word(level);
    if (record.severity == Severity::unknown) return false;
    at.take(' ');
    record.severity_text = level;
    record.time_ns = time.ns;
    record.add_attribute("pid", pid, AttributeType::number);
    record.message = at.rest();
    record.format = LogFormat::gunicorn;
    return true;
}

bool parse_klog(std::string_view line, TimeParser& times, std::uint64_t now_ns, LogRecord& record) {
    if (line.size() < 20 || !is_digit(line[1]) || !is_digit(line[4])) return false;
    constexpr std::string_view letters = "IWEFD";
    if (letters.find(line[0]) == std::string_view::npos) return false;
    const auto time = times.klog(line.substr(1), now_ns);
    TextCursor at(line.substr(1));
    at.skip(time.used);
    if (!time || !at.take(' ')) return false;
    at.skip_spaces();
    const auto thread = at.take_digits();
    std::string_view location;
    if (thread.empty() || !at.take(' ') || !at.take_until("]", location)) return false;
    if (location.find(':') == std::string_view::npos || location.find(' ') != std::string_view::npos) return false;
    at.take(' ');
    record.severity = severity_from_word(line.substr(0, 1));
    record.severity_text = line.substr(0, 1);
    record.time_ns = time.ns;
    record.thread = thread;
    record.add_attribute("code.location", location);
    record.message = at.rest();
    record.format = LogFormat::klog;
    std::string_view message;
    auto structured = at;
    if (structured.take_quoted(message) && (structured.at_end() || structured.peek() == ' ')) {
        record.message = message;
        take_klog_pairs(structured, record, times);
    }
    return true;
}

bool parse_jul(std::string_view text, TimeParser& times, LogRecord& record) {
    const auto time = times.jul(text);
    if (!time) return false;
    const auto line_end = text.find('\n');
    if (line_end == std::string_view::npos) return false;
    auto head = trimmed(text.substr(time.used, line_end - time.used));
    auto body = text.substr(line_end + 1, text.substr(line_end + 1).find('\n'));
    const auto colon = body.substr(0, 10).find(':');
    if (colon == std::string_view::npos || !is_upper(body.front())) return false;
    record.severity = severity_from_word(body.substr(0, colon));
    if (record.severity == Severity::unknown) return false;
    record.severity_text = body.substr(0, colon);
    record.time_ns = time.ns;
    record.logger = head.substr(0, head.find(' '));
    record.message = trimmed(body.substr(colon + 1));
    record.format = LogFormat::jul;
    return true;
}

}  // namespace sonde
