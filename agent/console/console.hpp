#pragma once

#include <string>
#include <vector>

#include "agent/http/server.hpp"

namespace sonde {

// One file of the console, as it lies in the binary. The views point into the executable: valid for ever.
struct ConsoleFile {
    std::string_view path;          // as it is asked for: "/", "/console/main.js"
    std::string_view content_type;  // of HTTP
    std::string_view plain, gzip;   // the same bytes, as they are and compressed (RFC 1952)
};

const std::vector<ConsoleFile>& console_files();

// Adds the console: the page at `/` and what it loads under /console/. The page holds no data: it asks /api/v1, with
// the token that its reader types in where one is configured. Answers carry an ETag and a Content-Security-Policy that
// lets the page load from, and talk to, nothing but this port.
void add_console(Handlers& handlers);

// Adds `/api/v1`, which lists the paths below it that `handlers` has by now: the console shows the views that the agent
// can answer. Call last.
void add_api_index(Handlers& handlers);

}  // namespace sonde
