#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.hpp"

namespace sonde {

struct HttpClientOptions {
    std::string url{};                                           // http:// or https://
    std::vector<std::pair<std::string, std::string>> headers{};  // sent with each request; secrets belong in files
    std::uint32_t connect_timeout_ms = 5'000;                    // 1 … 300,000; name, TCP and TLS
    std::uint32_t timeout_ms = 15'000;                           // 1 … 600,000; the whole request
    std::string basic_auth_file{};                               // holds USER:PASSWORD
    std::string bearer_token_file{};                             // holds the token
    std::string ca_file{};                                       // PEM; empty: the system's
    std::string client_cert_file{};                              // PEM
    std::string client_key_file{};                               // PEM
    bool verify_tls = true;                                      // false: anybody may read along
};

struct HttpResponse {
    long status = 0;            // 0: none came, and `error` says why
    std::string retry_after{};  // the header's value
    std::string body{};         // at most the first 64 KiB
    std::string error{};
};

// POSTs to one URL and keeps the connection open in between. Redirects are not followed, the environment's proxies
// are not used, other schemes than http and https are refused. The files with credentials are read again when they
// change; those of TLS whenever a connection is made. One thread, but for stop_by().
class HttpClient {
public:
    // Errors (usage): no such URL or file, both kinds of authentication. A file must be readable at once.
    static Result<std::unique_ptr<HttpClient>> create(const HttpClientOptions& options);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // content_encoding: empty for none.
    HttpResponse post(std::string_view body, std::string_view content_type, std::string_view content_encoding);

    // Requests, the running one too, end by then (give or take a second: that is how often curl looks). Any thread.
    void stop_by(std::chrono::steady_clock::time_point deadline);

private:
    struct Curl;
    class SecretFile;
    explicit HttpClient(HttpClientOptions options);
    Status prepare();
    [[nodiscard]] long time_left_ms() const;

    const HttpClientOptions options_;
    std::unique_ptr<SecretFile> secret_;
    std::unique_ptr<Curl> curl_;
    std::atomic<std::int64_t> deadline_ms_{INT64_MAX};  // steady clock
};

}  // namespace sonde
