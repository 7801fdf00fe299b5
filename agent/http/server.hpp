#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/http/request.hpp"
#include "agent/http/tls.hpp"

namespace sonde {

struct Response {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
    // Besides those that every answer has; one of the same name replaces it (a page's own Content-Security-Policy).
    std::vector<std::pair<std::string, std::string>> headers{};
};

// Path → what answers it: exact, or, if it ends with '/' and is longer than that, everything below it (the longest
// one wins). Called on the server's threads, several at once.
using Handler = std::function<Response(const Request&)>;
using Handlers = std::map<std::string, Handler, std::less<>>;

struct HttpServerOptions {
    // Authorization: Bearer … that every request but those for open_paths must carry. Empty: none is asked for.
    std::string token;
    // True: listens on an address that is not a loopback one even without a token. Everybody who reaches it can then
    // read paths, hosts and addresses of all requests on this machine.
    bool allow_anonymous = false;
    // Answered without a token: what a probe asks.
    std::vector<std::string> open_paths{"/healthz", "/readyz"};
    // What answers POST and DELETE, as handlers answer GET; each tells them apart itself. See HttpServer.
    std::map<std::string, std::function<Response(const Request&)>, std::less<>> writes{};
    TlsOptions tls{};  // on: HTTPS, and nothing else, on the port
};

// The agent's one port. Answers GET and HEAD (else 405, but for the few writes), 404 where no handler is, one request
// per connection: clients that keep connections open would lock everyone else out.
//
// On a loopback address without a token, a request whose Host is a name other than localhost is refused (421): a web
// page could otherwise read the API through a name that it points at 127.0.0.1 (DNS rebinding).
//
// A write must come from this page or from no page at all: an Origin other than the Host, or a Sec-Fetch-Site of
// another site, is refused (403), and so is a POST that is not application/json (415), which other pages cannot send
// without being asked first (Fetch, "CORS-safelisted request-header"). Where everybody may read (allow_anonymous),
// nobody may write.
class HttpServer {
public:
    // listen: "HOST:PORT", "[V6]:PORT" or ":PORT" (every IPv4 address). Port 0 takes a free one.
    // Errors: an address that is no address, or not loopback without a token, TLS files that cannot be used (usage);
    // taken, not on this machine or not permitted (run time).
    static Result<std::unique_ptr<HttpServer>> start(const std::string& listen, Handlers handlers,
                                                     HttpServerOptions options = {});

    virtual ~HttpServer() = default;  // waits for the requests that run
    [[nodiscard]] virtual unsigned short port() const = 0;
};

}  // namespace sonde
