#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/base/result.hpp"

namespace sonde {

struct Response {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
};

// Path (exact, without query) → what answers it. Called on the server's threads, several at once.
using Handler = std::function<Response()>;
using Handlers = std::map<std::string, Handler, std::less<>>;

// The agent's one port. Answers GET and HEAD (else 405), 404 where no handler is, one request per connection:
// with two workers, clients that keep connections open would lock everyone else out.
class HttpServer {
public:
    // listen: "HOST:PORT", "[V6]:PORT" or ":PORT" (every IPv4 address). Port 0 takes a free one.
    // Errors: an address that is no address (usage), taken, not on this machine or not permitted (run time).
    static Result<std::unique_ptr<HttpServer>> start(const std::string& listen, Handlers handlers);

    virtual ~HttpServer() = default;  // waits for the requests that run
    [[nodiscard]] virtual unsigned short port() const = 0;
};

}  // namespace sonde
