#include "agent/console/console.hpp"

#include <cstdint>
#include <cstdio>

#include "agent/http/header_list.hpp"

namespace sonde {
namespace {

// script-src without 'unsafe-inline': a hostile path that found its way into markup would still not run. style-src
// likewise: widths and colours are set by scripts through the CSSOM, which it allows.
constexpr const char* page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// FNV-1a, 64 bits: tells one build's file from another's, no more than that.
std::string entity_tag(std::string_view bytes, bool gzip) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    char text[32];
    // each encoding is a representation of its own, RFC 9110 §8.8.3
    std::snprintf(text, sizeof text, "\"%016llx%s\"", static_cast<unsigned long long>(hash), gzip ? "-gz" : "");
    return text;
}

bool matches(std::string_view if_none_match, std::string_view tag) {
    return any_element(if_none_match, ',', [tag](std::string_view element) {
        if (element.starts_with("W/")) element.remove_prefix(2);
        return element == "*" || element == tag;
    });
}

Response answer(const ConsoleFile& file, const std::string& plain_tag, const std::string& gzip_tag,
                const Request& request) {
    const bool gzip = accepts(request.accept_encoding, "gzip", "*");
    const auto& tag = gzip ? gzip_tag : plain_tag;
    Response response{200, std::string(file.content_type), {}, {}};
    response.headers = {{"ETag", tag},
                        {"Cache-Control", "no-cache"},  // keep, but ask: an upgraded agent has another page
                        {"Vary", "Accept-Encoding"},
                        {"Content-Security-Policy", page_policy}};
    if (matches(request.if_none_match, tag)) {
        response.status = 304;
        return response;
    }
    if (gzip) response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = gzip ? file.gzip : file.plain;
    return response;
}

}  // namespace

void add_console(Handlers& handlers) {
    for (const auto& file : console_files())
        handlers[std::string(file.path)] = [&file, plain_tag = entity_tag(file.plain, false),
                                            gzip_tag = entity_tag(file.plain, true)](const Request& request) {
            return answer(file, plain_tag, gzip_tag, request);
        };
}

void add_api_index(Handlers& handlers) {
    std::string list;
    for (const auto& [path, handler] : handlers)
        if (path.starts_with("/api/v1/")) list += (list.empty() ? "\"" : ",\"") + path + "\"";
    handlers["/api/v1"] = [body = "{\"paths\":[" + list + "]}"](const Request&) {
        return Response{200, "application/json", body, {}};
    };
}

}  // namespace sonde
