#include "agent/http/session.hpp"

namespace sonde {
namespace {

// What every answer carries: nothing here is for other sites, frames or caches.
constexpr std::array<std::pair<const char*, const char*>, 6> standing_headers{
    {{"Cache-Control", "no-store"},
     {"X-Content-Type-Options", "nosniff"},
     {"X-Frame-Options", "DENY"},
     {"Referrer-Policy", "no-referrer"},
     {"Cross-Origin-Resource-Policy", "same-origin"},
     {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"}}};

bool has_header(const Response& response, const char* name) {
    return std::any_of(response.headers.begin(), response.headers.end(),
                       [name](const auto& header) { return ::strcasecmp(header.first.c_str(), name) == 0; });
}

}  // namespace

std::string response_head(const Response& response) {
    const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(response.status));
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason.data(), reason.size()) +
                       "\r\nConnection: close\r\n";
    if (response.status != 304)  // whose Content-Length would be that of the 200, RFC 9110 §8.6
        head += "Content-Type: " + response.content_type +
                "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
    for (const auto& [name, value] : standing_headers)
        if (!has_header(response, name)) head += std::string(name) + ": " + value + "\r\n";
    for (const auto& [name, value] : response.headers) head += name + ": " + value + "\r\n";
    return head + "\r\n";
}

}  // namespace sonde
