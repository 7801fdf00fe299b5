// Formats of text lines. Each function takes a line within record.raw and returns true if it is of its format; on false
// the record may hold parts of it and is to be cleared. None allocates after warm-up. One thread at a time.
#pragma once

#include <string_view>

#include "agent/log/timestamp.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {

// key=value and key="va\"lue" (Go's slog, logrus, Heroku, Grafana): at least two pairs, one of them a time, level or
// message, or four pairs and nothing else. A word without '=' is a key whose value is true.
bool parse_logfmt(std::string_view line, TimeParser& times, LogRecord& record);

// NCSA common and combined log format, perhaps behind a virtual host; gunicorn's access log is one. Fields behind the
// user agent: key=value become attributes of that name (rt=0.012), others extra_1, extra_2 …; request_time, rt and
// duration in seconds tell the duration.
bool parse_access(std::string_view line, TimeParser& times, LogRecord& record);

// nginx: 2026/01/02 03:04:05 [error] 7#7: *1 message, client: …, server: …, request: "GET / HTTP/1.1", …
// pid and tid are attributes, for they are those of nginx's own namespace.
bool parse_nginx_error(std::string_view line, TimeParser& times, LogRecord& record);

// uvicorn's default: "INFO:     message", its access lines included.
bool parse_uvicorn(std::string_view line, LogRecord& record);

// gunicorn's error log: [2026-01-02 03:04:05 +0000] [7] [INFO] message
bool parse_gunicorn(std::string_view line, TimeParser& times, LogRecord& record);

// Python's logging: the default (LEVEL:logger:message) and those with asctime first (or the level before it): fields
// divided by " - ", " | " or spaces, as Flask, Django, Celery and loguru write them.
bool parse_python(std::string_view line, TimeParser& times, LogRecord& record);

// klog and glog: I0102 03:04:05.678901    7 file.go:12] message; klog's structured form gives its pairs as attributes.
// now_ns: of the year that the line leaves out.
bool parse_klog(std::string_view line, TimeParser& times, std::uint64_t now_ns, LogRecord& record);

// java.util.logging's default: Jan 02, 2026 3:04:05 AM com.x.Class method, and below it LEVEL: message. text: both
// lines.
bool parse_jul(std::string_view text, TimeParser& times, LogRecord& record);

// Everything else: the line is the message; a time at its beginning, and a level in brackets or capitals among the four
// words behind it, are taken as what they are.
void parse_plain(std::string_view line, TimeParser& times, LogRecord& record);

// "GET /path HTTP/1.1" into the record's access.
bool take_request_line(std::string_view text, LogAccess& access);

}  // namespace sonde
