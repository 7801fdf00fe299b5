#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/unique_fd.hpp"

namespace sonde {

struct ReceivedRequest {
    std::string path;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    int connection = 0;  // which one carried it: 0, 1, …
};

// How the receiver answers one request.
struct ReceiverAnswer {
    enum class Kind {
        answer,
        hang,     // nothing is said until the client leaves
        reset,    // RST
        garbage,  // bytes that are no HTTP
        cut,      // half of an answer, then the end
        slow,     // an answer byte by byte
    };
    Kind kind = Kind::answer;
    int status = 200;
    std::vector<std::string> headers{};  // whole lines
    std::string body{};
};

struct ReceiverTls {
    std::string certificate{};  // PEM files; empty: no TLS
    std::string key{};
    std::string client_ca{};  // not empty: clients must show a certificate of this CA
};

// An HTTP/1.1 server on 127.0.0.1 that fails as it is told to, over TLS if it is given a certificate. It knows
// Content-Length and nothing else about bodies. A thread for each connection; all end with it.
class HttpReceiver {
public:
    using Script = std::function<ReceiverAnswer(const ReceivedRequest&)>;
    explicit HttpReceiver(Script script = {}, ReceiverTls tls = {});
    ~HttpReceiver();
    HttpReceiver(const HttpReceiver&) = delete;
    HttpReceiver& operator=(const HttpReceiver&) = delete;

    [[nodiscard]] std::string url(const std::string& path = "/") const;
    // Those that were read whole, however they were answered.
    [[nodiscard]] std::vector<ReceivedRequest> requests() const;
    [[nodiscard]] std::size_t count() const;
    void set_script(Script script);

private:
    class Connection;
    void accept_all();
    void serve(UniqueFd client, int number);
    bool answer(Connection& connection, const ReceiverAnswer& answer);

    mutable std::mutex mutex_;
    Script script_;
    std::vector<ReceivedRequest> requests_;
    std::vector<std::thread> threads_;
    const ReceiverTls tls_;
    void* tls_context_ = nullptr;
    UniqueFd listener_;
    unsigned port_ = 0;
    std::atomic<bool> stopping_{false};
    std::thread acceptor_;
};

}  // namespace sonde
