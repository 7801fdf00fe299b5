#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.hpp"

namespace sonde {

struct ClientOptions {
    std::string address = "127.0.0.1:9745";  // HOST:PORT or [V6]:PORT of a running agent
    std::string token;                       // sent as Authorization: Bearer …; empty: none
    int timeout_ms = 3000;                   // of connecting, and between two bytes of the answer
};

struct ClientResponse {
    int status = 0;
    std::string body;
};

// Asks a running agent; one connection per request, as its server wants it. Blocks.
// Errors say what to do: no agent answers there, or what answers is not one.
Result<ClientResponse> http_get(const ClientOptions& options, const std::string& target);

// POST with a JSON body, DELETE without one.
Result<ClientResponse> http_send(const ClientOptions& options, const std::string& method, const std::string& target,
                                 const std::string& body = {});

// Percent-encodes what is not unreserved (RFC 3986 §2.3).
std::string url_encode(std::string_view text);

}  // namespace sonde
