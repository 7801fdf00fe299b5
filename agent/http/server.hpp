#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/base/result.hpp"

struct mg_context;
struct mg_connection;

namespace sonde {

struct Response {
    int status = 200;
    std::string content_type;
    std::string body;
};

// Path → what answers it. Called on the server's threads, several at once.
using Handlers = std::map<std::string, std::function<Response()>, std::less<>>;

// The agent's one port. GET and HEAD only.
class HttpServer {
public:
    // listen: HOST:PORT or [IPV6]:PORT; port 0 takes a free one.
    static Result<std::unique_ptr<HttpServer>> start(const std::string& listen, Handlers handlers);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] unsigned short port() const { return port_; }

private:
    HttpServer() = default;
    static int on_request(mg_connection* connection);
    int answer(mg_connection* connection) const;

    Handlers handlers_;
    mg_context* context_ = nullptr;
    unsigned short port_ = 0;
};

}  // namespace sonde
