#include "agent/http/server.hpp"

#include <arpa/inet.h>
#include <civetweb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "agent/base/unique_fd.hpp"

namespace sonde {
namespace {

constexpr std::string_view not_found = "not found: try /metrics, /healthz or /readyz\n";

// civetweb keeps the reason for a failed start to itself: bind once to learn it.
Status can_listen(const std::string& host, unsigned short port, const std::string& listen) {
    sockaddr_storage address{};
    socklen_t length = 0;
    if (host.front() == '[') {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        length = sizeof v6;
        if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) != 1)
            return fail("'" + host + "' is no IPv6 address", "give --listen as HOST:PORT", ErrorKind::usage);
    } else {
        auto& v4 = reinterpret_cast<sockaddr_in&>(address);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        length = sizeof v4;
        if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1)
            return fail("'" + host + "' is no IPv4 address", "give --listen as HOST:PORT", ErrorKind::usage);
    }
    const UniqueFd probe(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 || ::listen(probe.get(), 1) != 0)
        return fail("cannot listen on " + listen + " (" + std::strerror(errno) + ")",
                    "stop the other program or choose another address with --listen HOST:PORT");
    return done();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& listen, Handlers handlers) {
    const auto colon = listen.rfind(':');
    unsigned port = 65536;
    if (colon != std::string::npos && colon > 0)
        std::from_chars(listen.data() + colon + 1, listen.data() + listen.size(), port);
    if (port > 65535)
        return fail("'" + listen + "' is no address to listen on", "give --listen as HOST:PORT", ErrorKind::usage);
    if (auto free = can_listen(listen.substr(0, colon), static_cast<unsigned short>(port), listen); !free)
        return free.error();

    std::unique_ptr<HttpServer> server(new HttpServer);
    server->handlers_ = std::move(handlers);
    mg_init_library(0);
    mg_callbacks callbacks{};
    callbacks.begin_request = on_request;
    std::array<const char*, 9> options{"listening_ports",    listen.c_str(), "num_threads", "3",
                                       "request_timeout_ms", "5000",         "enable_keep_alive", "no", nullptr};
    server->context_ = mg_start(&callbacks, server.get(), options.data());
    if (server->context_ == nullptr)
        return fail("cannot start the HTTP server on " + listen, "choose another address with --listen HOST:PORT");
    std::array<mg_server_port, 4> ports{};
    mg_get_server_ports(server->context_, static_cast<int>(ports.size()), ports.data());
    server->port_ = static_cast<unsigned short>(ports[0].port);
    return server;
}

HttpServer::~HttpServer() {
    if (context_ == nullptr) return;
    mg_stop(context_);
    mg_exit_library();
}

int HttpServer::on_request(mg_connection* connection) {
    const auto* server = static_cast<const HttpServer*>(mg_get_request_info(connection)->user_data);
    return server->answer(connection);
}

int HttpServer::answer(mg_connection* connection) const {
    const auto* request = mg_get_request_info(connection);
    const std::string_view method(request->request_method);
    Response response{404, "text/plain; charset=utf-8", std::string(not_found)};
    if (method != "GET" && method != "HEAD")
        response = {405, "text/plain; charset=utf-8", "only GET and HEAD are allowed\n"};
    else if (const auto at = handlers_.find(std::string_view(request->local_uri)); at != handlers_.end())
        response = at->second();
    mg_printf(connection,
              "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nX-Content-Type-Options: nosniff\r\n%s"
              "Connection: close\r\n\r\n",
              response.status, mg_get_response_code_text(connection, response.status), response.content_type.c_str(),
              response.body.size(), response.status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (method != "HEAD") mg_write(connection, response.body.data(), response.body.size());
    return 1;  // answered
}

}  // namespace sonde
