#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.hpp"

namespace sonde {

struct KubernetesHttpOptions {
    std::string url;         // "https://kubernetes.default.svc", without a last slash
    std::string token_file;  // read anew for each request: tokens of service accounts change every hour. Empty: none
    std::string ca_file;     // PEM; empty: the system's
    bool verify_tls = true;
    std::uint32_t connect_timeout_ms = 5'000;
};

// GET requests to one server, several at once, on one thread. Redirects are not followed, and the environment's proxies
// are not used. One thread, but for wake().
class KubernetesHttp {
public:
    struct Answer {
        // A part of the body, as it comes. False: enough, end the request.
        std::function<bool(int status, std::string_view bytes)> take;
        // Once. status 0: no answer came, and error says why.
        std::function<void(int status, const std::string& error)> end;
    };

    // Error: libcurl cannot be used.
    static Result<std::unique_ptr<KubernetesHttp>> create(KubernetesHttpOptions options);
    ~KubernetesHttp();
    KubernetesHttp(const KubernetesHttp&) = delete;
    KubernetesHttp& operator=(const KubernetesHttp&) = delete;

    // path: with its query. longest_s: of the whole request.
    void get(const std::string& path, std::uint32_t longest_s, Answer answer);
    // Lets requests go on for so long, or until one moves. Calls what they were given.
    void run(int longest_ms);
    // Ends run(). Any thread.
    void wake();

private:
    struct Parts;
    explicit KubernetesHttp(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace sonde
