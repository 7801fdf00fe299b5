#include "agent/http/server.hpp"

#include <civetweb.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>
#include <thread>

#include "agent/base/unique_fd.hpp"
#include "agent/http/access.hpp"

namespace sonde {
namespace {

struct Address {
    std::string host;  // without brackets; empty: any
    std::string port;
    bool v6 = false;
};

std::optional<Address> parse(const std::string& listen) {
    const auto colon = listen.rfind(':');
    if (colon == std::string::npos) return std::nullopt;
    Address address{listen.substr(0, colon), listen.substr(colon + 1), false};
    unsigned number = 0;
    const auto* end = address.port.data() + address.port.size();
    const auto [stopped, error] = std::from_chars(address.port.data(), end, number);
    if (error != std::errc{} || stopped != end || number > 65535) return std::nullopt;
    if (address.host.starts_with('[')) {
        if (!address.host.ends_with(']') || address.host.size() < 4) return std::nullopt;
        address.host = address.host.substr(1, address.host.size() - 2);
        address.v6 = true;
    }
    // civetweb reads ',' as a list and a trailing 's' or 'r' as an option
    const std::string_view allowed = address.v6 ? "0123456789abcdefABCDEF:." : "-._";
    for (const char c : address.host) {
        const bool plain = !address.v6 && std::isalnum(static_cast<unsigned char>(c)) != 0;
        if (!plain && allowed.find(c) == std::string_view::npos) return std::nullopt;
    }
    return address;
}

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

// error: what getaddrinfo() returned. flags: AI_PASSIVE to listen, 0 to connect.
AddressList resolve(const Address& address, const std::string& port, int flags, int& error) {
    addrinfo hints{};
    hints.ai_family = address.v6 ? AF_INET6 : AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* found = nullptr;
    const char* host = address.host.empty() ? nullptr : address.host.c_str();
    error = ::getaddrinfo(host, port.c_str(), &hints, &found);
    return {error == 0 ? found : nullptr, ::freeaddrinfo};
}

// civetweb says no more than "Failed to setup server ports": ask the kernel again.
std::string why_not(const Address& address) {
    int error = 0;
    const auto found = resolve(address, address.port, AI_PASSIVE, error);
    if (!found) return ::gai_strerror(error);
    const UniqueFd fd(::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // as civetweb does: TIME_WAIT is no reason
    if (::bind(fd.get(), found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd.get(), 1) == 0)
        return "the web server did not start";
    return std::strerror(errno);
}

// mg_stop() waits until civetweb's accepting thread next looks at its stop flag, up to two seconds. A connection
// wakes that thread; one that comes before the flag is set is wasted, hence the loop.
void stop_now(mg_context* context, const Address& address, unsigned short port) {
    int error = 0;
    const auto target = resolve(address, std::to_string(port), 0, error);
    std::atomic<bool> stopped{false};
    std::thread stopper([&] {
        mg_stop(context);
        stopped.store(true, std::memory_order_release);
    });
    while (target && !stopped.load(std::memory_order_acquire)) {
        const UniqueFd fd(::socket(target->ai_family, target->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (fd) ::connect(fd.get(), target->ai_addr, target->ai_addrlen);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    stopper.join();
}

Error cannot_listen(const std::string& listen, std::string why, const char* hint) {
    if (!why.empty()) why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
    return fail("cannot listen on " + listen + ": " + why, hint);
}

Response text(int status, std::string body) { return {status, "text/plain; charset=utf-8", std::move(body), {}}; }

Response call(const Handler& handler, const Request& request) {
    try {
        return handler(request);
    } catch (const std::exception& e) {
        return text(500, std::string("internal error: ") + e.what() + "\n");
    } catch (...) {
        return text(500, "internal error\n");
    }
}

// What every answer carries: nothing here is for other sites, frames or caches.
constexpr std::array<std::pair<const char*, const char*>, 6> standing_headers{
    {{"Cache-Control", "no-store"},
     {"X-Content-Type-Options", "nosniff"},
     {"X-Frame-Options", "DENY"},
     {"Referrer-Policy", "no-referrer"},
     {"Cross-Origin-Resource-Policy", "same-origin"},
     {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"}}};

bool has_header(const Response& response, const char* name) {
    return std::any_of(response.headers.begin(), response.headers.end(),
                       [name](const auto& header) { return ::strcasecmp(header.first.c_str(), name) == 0; });
}

void send(mg_connection* connection, const Response& response, bool with_body) {
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " +
                       mg_get_response_code_text(connection, response.status) + "\r\nConnection: close\r\n";
    if (response.status != 304)  // whose Content-Length would be that of the 200, RFC 9110 §8.6
        head += "Content-Type: " + response.content_type +
                "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
    for (const auto& [name, value] : standing_headers)
        if (!has_header(response, name)) head += std::string(name) + ": " + value + "\r\n";
    for (const auto& [name, value] : response.headers) head += name + ": " + value + "\r\n";
    head += "\r\n";
    mg_write(connection, head.data(), head.size());
    if (with_body && !response.body.empty()) mg_write(connection, response.body.data(), response.body.size());
}

class CivetwebServer final : public HttpServer {
public:
    CivetwebServer(Address address, Handlers handlers, HttpServerOptions http)
        : address_(std::move(address)),
          handlers_(std::move(handlers)),
          http_(std::move(http)),
          checks_host_(http_.token.empty() && is_loopback(address_.host)) {
        mg_init_library(0);
    }
    ~CivetwebServer() override {
        if (context_ != nullptr) stop_now(context_, address_, port_);
        mg_exit_library();
    }
    CivetwebServer(const CivetwebServer&) = delete;
    CivetwebServer& operator=(const CivetwebServer&) = delete;

    bool start(const std::string& ports) {
        mg_callbacks callbacks{};
        callbacks.begin_request = [](mg_connection* connection) {
            const auto* server = static_cast<CivetwebServer*>(mg_get_request_info(connection)->user_data);
            return server->answer(connection);
        };
        callbacks.log_message = [](const mg_connection*, const char*) { return 1; };  // a client's fault is no news
        callbacks.init_thread = [](const mg_context*, int) -> void* {
            ::pthread_setname_np(::pthread_self(), "http");
            return nullptr;
        };
        const std::array<const char*, 11> options{"listening_ports",
                                                  ports.c_str(),
                                                  "num_threads",
                                                  "2",
                                                  "request_timeout_ms",
                                                  "5000",
                                                  "enable_keep_alive",
                                                  "no",
                                                  "access_control_allow_origin",
                                                  "",
                                                  nullptr};
        context_ = mg_start(&callbacks, this, const_cast<const char**>(options.data()));
        mg_server_port port{};
        if (context_ != nullptr && mg_get_server_ports(context_, 1, &port) == 1)
            port_ = static_cast<unsigned short>(port.port);
        return context_ != nullptr;
    }
    [[nodiscard]] unsigned short port() const override { return port_; }

private:
    // The status: a number other than 0 tells civetweb that the request is answered.
    int answer(mg_connection* connection) const {
        const auto* info = mg_get_request_info(connection);
        const auto response = response_to(connection, *info);
        send(connection, response, std::string_view(info->request_method) != "HEAD");
        return response.status;
    }

    Response response_to(mg_connection* connection, const mg_request_info& info) const {
        const std::string_view method = info.request_method;
        const bool writes = method == "POST" || method == "DELETE";
        Request request;
        request.path = info.local_uri != nullptr ? info.local_uri : "";
        const auto& handlers = writes ? http_.writes : handlers_;
        if (method != "HEAD" && method != "GET" && (!writes || find(handlers, request) == nullptr)) {
            auto refusal = text(405, "only GET and HEAD are allowed\n");
            refusal.headers.emplace_back("Allow", "GET, HEAD");
            return refusal;
        }
        const auto header = [&](const char* name) -> std::string_view {
            const char* value = mg_get_header(connection, name);
            return value != nullptr ? value : "";
        };
        if (checks_host_ && !is_local_host_header(header("Host")))
            return text(421, "ask for this address as localhost or 127.0.0.1\n");
        request.method = method;
        request.accept = header("Accept");
        request.accept_encoding = header("Accept-Encoding");
        request.if_none_match = header("If-None-Match");
        const auto& open = http_.open_paths;
        const bool is_open = std::find(open.begin(), open.end(), request.path) != open.end();
        if (!http_.token.empty() && !is_open && !bears_token(header("Authorization"), http_.token)) {
            auto refusal = text(401, "a bearer token is needed\n");
            refusal.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"sonde\"");
            return refusal;
        }
        const std::string_view query = info.query_string != nullptr ? info.query_string : "";
        request.target = request.path + "?" + std::string(query);
        auto parsed = Query::parse(query);
        if (!parsed) return text(400, "the query is not well-formed\n");
        request.query = std::move(*parsed);
        if (writes)
            if (auto refusal = refuse_write(connection, info, request)) return std::move(*refusal);
        const auto* handler = find(handlers, request);
        return handler != nullptr ? call(*handler, request) : text(404, "not found\n");
    }

    // Nothing: it may go on, and its body has been read.
    std::optional<Response> refuse_write(mg_connection* connection, const mg_request_info& info,
                                         Request& request) const {
        const auto header = [&](const char* name) -> std::string_view {
            const char* value = mg_get_header(connection, name);
            return value != nullptr ? value : "";
        };
        if (http_.token.empty() && !is_loopback(address_.host))
            return text(403, "without a token nothing can be changed from here\n");
        if (!is_same_origin(header("Origin"), header("Sec-Fetch-Site"), header("Host")))
            return text(403, "another site's page may not change anything here\n");
        if (request.method != "POST") return std::nullopt;
        if (!header("Content-Type").starts_with("application/json"))
            return text(415, "the body must be application/json\n");
        if (info.content_length < 0 || info.content_length > static_cast<long long>(Request::max_body))
            return text(413, "a body of 64 KiB at most, with its Content-Length, is needed\n");
        request.body.resize(static_cast<std::size_t>(info.content_length));
        for (std::size_t at = 0; at < request.body.size();) {
            const int got = mg_read(connection, request.body.data() + at, request.body.size() - at);
            if (got <= 0) return text(400, "the body was cut off\n");
            at += static_cast<std::size_t>(got);
        }
        return std::nullopt;
    }

    static const Handler* find(const Handlers& handlers, Request& request) {
        if (const auto exact = handlers.find(request.path); exact != handlers.end()) return &exact->second;
        for (auto slash = request.path.rfind('/'); slash != std::string::npos && slash > 0;
             slash = request.path.rfind('/', slash - 1)) {
            const auto prefix = handlers.find(std::string_view(request.path).substr(0, slash + 1));
            if (prefix == handlers.end()) continue;
            request.tail = request.path.substr(slash + 1);
            return &prefix->second;
        }
        return nullptr;
    }

    const Address address_;
    const Handlers handlers_;
    const HttpServerOptions http_;
    const bool checks_host_;
    mg_context* context_ = nullptr;
    unsigned short port_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& listen, Handlers handlers,
                                                      HttpServerOptions options) {
    const auto address = parse(listen);
    if (!address)
        return fail("'" + listen + "' is not an address to listen on",
                    "write HOST:PORT or [V6]:PORT, as in 127.0.0.1:9745", ErrorKind::usage);
    if (options.token.empty() && !options.allow_anonymous && !is_loopback(address->host))
        return fail("will not listen on " + listen + " without a token: others could read what passes on this machine",
                    "set a token (--token-file), or say --allow-anonymous", ErrorKind::usage);
    auto server = std::make_unique<CivetwebServer>(*address, std::move(handlers), std::move(options));
    if (address->v6 && mg_check_feature(MG_FEATURES_IPV6) == 0)
        return cannot_listen(listen, "this system's libcivetweb was built without IPv6",
                             "choose an IPv4 address with --listen HOST:PORT");
    const auto ports = address->host.empty() ? address->port : listen;
    if (!server->start(ports))
        return cannot_listen(listen, why_not(*address),
                             "stop the other program or choose another address with --listen HOST:PORT");
    return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace sonde
