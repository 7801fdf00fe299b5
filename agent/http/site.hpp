#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <optional>

#include "agent/http/server.hpp"

namespace sonde {

// What the port answers, and to whom; no I/O. Thread-safe.
class Site {
public:
    // host: what is listened on, without brackets.
    Site(std::string host, Handlers handlers, HttpServerOptions options);

    using Head = boost::beast::http::request_header<>;
    // Fills in the request from its head. A response: that is all there is to say. Nothing: it may go on, and if it is
    // a POST its body is to be read first, which is as long as its Content-Length says.
    std::optional<Response> refuse(const Head& head, Request& request) const;
    [[nodiscard]] Response answer(Request& request) const;

private:
    [[nodiscard]] const Handlers& handlers_for(const Request& request) const;
    [[nodiscard]] std::optional<Response> refuse_write(const Head& head, const Request& request) const;

    const std::string host_;
    const Handlers handlers_;
    const HttpServerOptions options_;
    const bool checks_host_;
};

Response plain_text(int status, std::string body);

}  // namespace sonde
