// One log record: a line, or the lines of one traceback, as the parser of its format understood it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/base/inline_string.hpp"
#include "agent/base/text_arena.hpp"

namespace sonde {

// unknown: the line names no level, or one that nobody knows; it is never guessed from the message.
enum class Severity : std::uint8_t { unknown, trace, debug, info, warn, error, fatal };
constexpr std::size_t severity_count = 7;
constexpr std::array<std::string_view, severity_count> severity_names{"unknown", "trace", "debug", "info",
                                                                      "warn",    "error", "fatal"};
constexpr std::string_view to_string(Severity severity) { return severity_names[static_cast<std::size_t>(severity)]; }

// Which parser made the record. `plain` understood nothing: the whole line is the message.
enum class LogFormat : std::uint8_t {
    plain,
    json,
    logfmt,
    access,       // common and combined log format, also gunicorn's, with trailing fields
    nginx_error,  // nginx's error log
    uvicorn,      // "INFO:     Started …", and its access lines
    gunicorn,     // "[2026-01-02 03:04:05 +0000] [7] [INFO] …"
    python,       // Python's logging: the default format and the usual ones that begin with asctime
    klog,         // Kubernetes' klog and Google's glog
    jul,          // java.util.logging's two lines: "Jan 02, 2026 3:04:05 AM Class method", "INFO: message"
};
constexpr std::size_t log_format_count = 10;
constexpr std::array<std::string_view, log_format_count> log_format_names{
    "plain", "json", "logfmt", "access", "nginx_error", "uvicorn", "gunicorn", "python", "klog", "jul"};
constexpr std::string_view to_string(LogFormat format) { return log_format_names[static_cast<std::size_t>(format)]; }

// How the bytes came to sonde.
enum class LogOrigin : std::uint8_t {
    file,    // a tailed file
    cri,     // a container's file as Kubernetes' runtimes write it
    docker,  // Docker's json-file
    kernel,  // captured at the write call
    both,    // captured at the write call, and the same line found in a file
};
constexpr std::size_t log_origin_count = 5;
constexpr std::array<std::string_view, log_origin_count> log_origin_names{"file", "cri", "docker", "kernel", "both"};

enum class LogStream : std::uint8_t { none, out, err };  // none: not a standard stream, or not known

// Where a record was written. The views point into the record's own text, as all of its views do.
struct LogSource {
    LogOrigin origin = LogOrigin::file;
    LogStream stream = LogStream::none;
    std::uint32_t pid = 0;         // writer, as the host numbers it; 0: not observed (a file does not tell)
    std::uint32_t tid = 0;         // writing thread, as the host numbers it; 0: not observed
    std::uint64_t device = 0;      // st_dev of the file; 0: no file
    std::uint64_t inode = 0;       // of the file; 0: no file
    std::uint64_t offset = 0;      // of the record's first byte in the file
    std::uint64_t end_offset = 0;  // of the byte after the record, its newline included
    std::string_view path;         // of the file, as it was found; empty: not known
    std::string_view container_id;
    std::string_view service;  // configured or told by the path; empty: not known
};

enum class AttributeType : std::uint8_t { string, number, boolean, null, json };

// value: strings decoded; numbers, booleans and nested objects or arrays ("json") as the line spells them.
// Keys of nested objects are joined by dots ("http.method") as long as the depth bound allows.
struct LogAttribute {
    std::string_view key;
    std::string_view value;
    AttributeType type = AttributeType::string;
};

struct LogException {
    std::string_view type;     // "ZeroDivisionError", "java.lang.IllegalStateException"; empty: none, or not told
    std::string_view message;  // what stands beside the type
    std::string_view stack;    // the whole traceback, lines divided by \n
};

// What an access line says of its request. Empty or 0: the line does not say.
struct LogAccess {
    std::string_view method;
    std::string_view path;      // as written, with its query
    std::string_view protocol;  // "HTTP/1.1"
    std::string_view client;    // address, perhaps with port
    std::uint16_t status = 0;
    std::int64_t duration_ns = -1;  // -1: not told
    std::int64_t body_bytes = -1;   // response body; -1: not told ("-" is told: 0)
};

enum LogFlag : std::uint8_t {
    log_truncated = 1 << 0,      // the line was longer than the bound, and cut
    log_invalid_utf8 = 1 << 1,   // bytes that are no UTF-8 were replaced by U+FFFD
    log_multiline = 1 << 2,      // made of more than one line
    log_partial = 1 << 3,        // its end was not seen (file ended, or the writer stopped in mid-line)
    log_attributes_cut = 1 << 4  // more attributes than the bound; attributes_dropped counts them
};

// Used again and again: clear() keeps the memory, so records are parsed without allocation after warm-up. Moving keeps
// all views good; copying would not, hence copy_from. One thread at a time.
struct LogRecord {
    static constexpr std::size_t max_attributes = 64;
    static constexpr std::size_t usual_attributes = 8;  // thousands of records wait: who has more grows

    std::uint64_t time_ns = 0;      // CLOCK_REALTIME as the line tells it; 0: the line tells none
    std::uint64_t observed_ns = 0;  // CLOCK_REALTIME when sonde read it (or the runtime wrote it: CRI, Docker)
    Severity severity = Severity::unknown;
    LogFormat format = LogFormat::plain;
    std::uint8_t flags = 0;           // LogFlag
    std::uint64_t template_hash = 0;  // of the message with numbers, ids and quoted parts taken out; 0: no message
    std::string_view severity_text;   // as the line spells it
    std::string_view logger;
    std::string_view message;
    std::string_view thread;               // the logger's own name or number of the thread; not a host tid
    InlineString<32> trace_id;             // lower-case hexadecimal, 64 bits widened with zeros; empty: none
    InlineString<16> span_id;              // lower-case hexadecimal; empty: none
    InlineString<64> request_id;           // visible ASCII, as it came; empty: none
    std::vector<LogAttribute> attributes;  // in the order of the line; at most max_attributes
    std::uint32_t attributes_dropped = 0;  // beyond max_attributes
    LogException exception;
    LogAccess access;
    LogSource source;
    std::string_view raw;  // the line or lines, without the last newline, repaired if they were not UTF-8
    TextArena text;        // owner of all views

    LogRecord() { attributes.reserve(usual_attributes); }
    LogRecord(LogRecord&&) = default;
    LogRecord& operator=(LogRecord&&) = default;
    LogRecord(const LogRecord&) = delete;
    LogRecord& operator=(const LogRecord&) = delete;

    [[nodiscard]] bool has(LogFlag flag) const { return (flags & flag) != 0; }
    void add_attribute(std::string_view key, std::string_view value, AttributeType type = AttributeType::string) {
        if (attributes.size() < max_attributes) {
            attributes.push_back({key, value, type});
        } else {
            ++attributes_dropped;
            flags |= log_attributes_cut;
        }
    }
    // The value of the first attribute of that name; empty: none.
    [[nodiscard]] std::string_view attribute(std::string_view key) const {
        for (const auto& attribute : attributes)
            if (attribute.key == key) return attribute.value;
        return {};
    }

    // Forgets everything but the memory.
    void clear() {
        auto kept_attributes = std::move(attributes);
        auto kept_text = std::move(text);
        kept_attributes.clear();
        kept_text.clear();
        *this = LogRecord(std::move(kept_attributes), std::move(kept_text));
    }

    // Becomes an equal record with text of its own. Views into raw stay views into raw.
    void copy_from(const LogRecord& other);

private:
    LogRecord(std::vector<LogAttribute> kept_attributes, TextArena kept_text)
        : attributes(std::move(kept_attributes)), text(std::move(kept_text)) {}
};

inline void LogRecord::copy_from(const LogRecord& other) {
    clear();
    time_ns = other.time_ns, observed_ns = other.observed_ns;
    severity = other.severity, format = other.format, flags = other.flags;
    template_hash = other.template_hash;
    trace_id = other.trace_id, span_id = other.span_id, request_id = other.request_id;
    attributes_dropped = other.attributes_dropped;
    raw = text.add(other.raw);
    const auto moved = [&](std::string_view part) -> std::string_view {
        const auto at = reinterpret_cast<std::uintptr_t>(part.data());
        const auto from = reinterpret_cast<std::uintptr_t>(other.raw.data());
        if (at >= from && at + part.size() <= from + other.raw.size() && !raw.empty())
            return raw.substr(at - from, part.size());
        return text.add(part);
    };
    severity_text = moved(other.severity_text), logger = moved(other.logger);
    message = moved(other.message), thread = moved(other.thread);
    for (const auto& attribute : other.attributes)
        attributes.push_back({moved(attribute.key), moved(attribute.value), attribute.type});
    exception = {moved(other.exception.type), moved(other.exception.message), moved(other.exception.stack)};
    access = other.access;
    access.method = moved(other.access.method), access.path = moved(other.access.path);
    access.protocol = moved(other.access.protocol), access.client = moved(other.access.client);
    source = other.source;
    source.path = moved(other.source.path), source.container_id = moved(other.source.container_id);
    source.service = moved(other.source.service);
}

}  // namespace sonde
