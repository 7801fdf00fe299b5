#include "agent/log/line_parser.hpp"

#include <algorithm>

#include "agent/log/exception_text.hpp"
#include "agent/log/message_template.hpp"
#include "agent/log/text_cursor.hpp"
#include "agent/log/text_formats.hpp"
#include "agent/log/utf8.hpp"

namespace sonde {
namespace {

// From the strictest to the most lenient: what a stricter one takes, a later one is not asked about.
constexpr std::array order{LogFormat::json, LogFormat::access, LogFormat::nginx_error, LogFormat::gunicorn,
                           LogFormat::klog, LogFormat::python, LogFormat::uvicorn,     LogFormat::logfmt};

// A look at the first byte saves most of the calls.
bool may_be(LogFormat format, char first) {
    switch (format) {
        case LogFormat::json:
            return first == '{' || first == ' ';
        case LogFormat::nginx_error:
            return is_digit(first);
        case LogFormat::gunicorn:
            return first == '[';
        case LogFormat::jul:
        case LogFormat::klog:
        case LogFormat::uvicorn:
            return is_upper(first);
        case LogFormat::python:
            return is_upper(first) || is_digit(first) || first == '[';
        case LogFormat::logfmt:
            return first != '[' && first != '{';
        case LogFormat::access:
            return first != '[' && first != '{';
        default:
            return true;
    }
}

// What a format that gave up may have set; raw and arena stay.
void forget(LogRecord& record) {
    record.time_ns = 0;
    record.severity = Severity::unknown;
    record.format = LogFormat::plain;
    record.severity_text = record.logger = record.message = record.thread = {};
    record.trace_id.clear(), record.span_id.clear(), record.request_id.clear();
    record.attributes.clear();
    record.attributes_dropped = 0;
    record.flags &= static_cast<std::uint8_t>(~log_attributes_cut);
    record.exception = {};
    record.access = {};
}

}  // namespace

LineParser::LineParser(LineParserOptions options)
    : options_(options), times_(options.time), json_(times_), guess_(options.format.value_or(LogFormat::plain)) {}

bool LineParser::parse_as(LogFormat format, std::string_view line, LogRecord& record) {
    if (line.empty() || !may_be(format, line.front())) return false;
    bool taken = false;
    switch (format) {
        case LogFormat::json:
            taken = json_.parse(line, record);
            break;
        case LogFormat::logfmt:
            taken = parse_logfmt(line, times_, record);
            break;
        case LogFormat::access:
            taken = parse_access(line, times_, record);
            break;
        case LogFormat::nginx_error:
            taken = parse_nginx_error(line, times_, record);
            break;
        case LogFormat::uvicorn:
            taken = parse_uvicorn(line, record);
            break;
        case LogFormat::gunicorn:
            taken = parse_gunicorn(line, times_, record);
            break;
        case LogFormat::python:
            taken = parse_python(line, times_, record);
            break;
        case LogFormat::klog:
            taken = parse_klog(line, times_, record.observed_ns, record);
            break;
        case LogFormat::jul:
            taken = parse_jul(line, times_, record);
            break;
        case LogFormat::plain:
            return false;
    }
    if (!taken) forget(record);
    return taken;
}

void LineParser::parse_head(std::string_view head, LogRecord& record) {
    if (guess_ != LogFormat::plain && parse_as(guess_, head, record)) return vote(guess_);
    if (!options_.format)
        for (const auto format : order)
            if (format != guess_ && parse_as(format, head, record)) return vote(format);
    parse_plain(head, times_, record);
    vote(LogFormat::plain);
}

void LineParser::vote(LogFormat format) {
    if (options_.format) return;
    ++votes_[static_cast<std::size_t>(format)];
    // the first line that fits decides until there is a full window
    if (guess_ == LogFormat::plain && voted_ < window_lines) guess_ = format;
    if (++voted_ < window_lines) return;
    const auto most = std::max_element(votes_.begin(), votes_.end());
    guess_ = static_cast<LogFormat>(most - votes_.begin());
    votes_.fill(0);
    voted_ = 0;
}

void LineParser::parse(std::string_view text, std::uint64_t now_ns, LogRecord& record) {
    record.clear();
    record.observed_ns = now_ns;
    bool changed = false;
    record.raw = add_as_utf8(text, record.text, changed);
    if (changed) record.flags |= log_invalid_utf8;
    auto head = record.raw.substr(0, record.raw.find('\n'));
    const bool several = head.size() < record.raw.size();
    if (several) record.flags |= log_multiline;
    if (head.ends_with('\r')) head.remove_suffix(1);
    // an object printed over several lines is one all the same, and java.util.logging's records have two
    const bool whole =
        several && ((head == "{" && parse_as(LogFormat::json, record.raw, record)) ||
                    (!head.empty() && is_upper(head.front()) && parse_as(LogFormat::jul, record.raw, record)));
    if (!whole) {
        parse_head(head, record);
    }
    if (several && record.format != LogFormat::json) find_exception(record.raw, record.exception);
    if (!several && !record.exception.stack.empty() && record.exception.type.empty())
        find_exception(record.exception.stack, record.exception);
    if (!record.message.empty()) record.template_hash = MessageTemplate(record.message).hash();
}

}  // namespace sonde
