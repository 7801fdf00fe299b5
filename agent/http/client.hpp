#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.hpp"

namespace sonde {

struct ClientOptions {
    // HOST:PORT or [V6]:PORT of a running agent; behind https:// with TLS: its certificate must be one for HOST by an
    // authority that this system trusts.
    std::string address = "127.0.0.1:9745";
    std::string token;  // sent as Authorization: Bearer …; empty: none
    std::string
        certificate_file;   // PEM; not empty: TLS with the agent that has this certificate's key, whatever its name
    int timeout_ms = 3000;  // of connecting, and between two bytes of the answer
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
