#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "sinks/delivery/transport.hpp"
#include "sinks/net/http_client.hpp"

namespace sonde {

enum class ContentCoding : std::uint8_t { none, gzip };

// What a protocol over HTTP adds to a POST.
struct HttpProtocol {
    std::string content_type;
    std::string content_encoding;                     // of bodies as they come; empty: none
    ContentCoding compression = ContentCoding::none;  // done here, when the batch is sent for the first time or again
    // Reads a 2xx answer: number of records refused and why. Empty: all were taken.
    std::function<std::uint32_t(const HttpResponse& response, std::string& error)> partial;
};

// What a status means (RFC 9110 §15): 2xx delivered. 408, 425, 429 and 5xx but 501 and 505: not now; Retry-After holds
// for 429 and 503 and is taken from the others, too. 413: too large. All else, redirects too: refused for good.
// No answer at all: not now.
SendResult judge(const HttpResponse& response, std::int64_t now_s);

class HttpTransport final : public Transport {
public:
    HttpTransport(std::unique_ptr<HttpClient> client, HttpProtocol protocol)
        : client_(std::move(client)), protocol_(std::move(protocol)) {}

    SendResult send(std::string_view body, std::uint32_t records) override;
    void stop_by(std::chrono::steady_clock::time_point deadline) override { client_->stop_by(deadline); }

private:
    const std::unique_ptr<HttpClient> client_;
    const HttpProtocol protocol_;
};

}  // namespace sonde
