#include "agent/http/server.hpp"

#include <netdb.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>

#include "agent/http/access.hpp"
#include "agent/http/session.hpp"

namespace sonde {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t workers = 2;
// More wait in the kernel's queue until one of these has its answer or has run out of time.
constexpr int max_connections = 64;

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
    // names and numbers only: getaddrinfo() takes much else
    const std::string_view allowed = address.v6 ? "0123456789abcdefABCDEF:." : "-._";
    for (const char c : address.host) {
        const bool plain = !address.v6 && std::isalnum(static_cast<unsigned char>(c)) != 0;
        if (!plain && allowed.find(c) == std::string_view::npos) return std::nullopt;
    }
    return address;
}

// The error's text says why, and no more.
Result<tcp::endpoint> resolve(const Address& address) {
    addrinfo hints{};
    hints.ai_family = address.v6 ? AF_INET6 : AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    const char* host = address.host.empty() ? nullptr : address.host.c_str();
    if (const int error = ::getaddrinfo(host, address.port.c_str(), &hints, &found); error != 0)
        return fail(::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, ::freeaddrinfo);
    tcp::endpoint out;
    std::memcpy(out.data(), found->ai_addr, found->ai_addrlen);
    out.resize(found->ai_addrlen);
    return out;
}

Error cannot_listen(const std::string& listen, std::string why) {
    if (!why.empty()) why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
    return fail("cannot listen on " + listen + ": " + why,
                "stop the other program or choose another address with --listen HOST:PORT");
}

class AsioServer final : public HttpServer {
public:
    AsioServer(Site site, std::unique_ptr<TlsCertificate> certificate)
        : site_(std::move(site)), certificate_(std::move(certificate)) {}
    ~AsioServer() override {
        context_.stop();
        for (auto& thread : threads_) thread.join();
    }
    AsioServer(const AsioServer&) = delete;
    AsioServer& operator=(const AsioServer&) = delete;

    boost::system::error_code start(const tcp::endpoint& endpoint) {
        boost::system::error_code error;
        const auto then = [&error](auto step) {
            if (!error) step();
        };
        then([&] { acceptor_.open(endpoint.protocol(), error); });
        then([&] { acceptor_.set_option(tcp::acceptor::reuse_address(true), error); });  // TIME_WAIT is no reason
        if (endpoint.protocol() == tcp::v6()) then([&] { acceptor_.set_option(asio::ip::v6_only(true), error); });
        then([&] { acceptor_.bind(endpoint, error); });
        then([&] { acceptor_.listen(asio::socket_base::max_listen_connections, error); });
        then([&] { port_ = acceptor_.local_endpoint(error).port(); });
        if (error) return error;
        accept();
        for (std::size_t i = 0; i < workers; ++i)
            threads_.emplace_back([this] {
                ::pthread_setname_np(::pthread_self(), "http");
                context_.run();
            });
        return error;
    }
    [[nodiscard]] unsigned short port() const override { return port_; }

private:
    void accept() {
        if (connections_->load() >= max_connections) return accept_later();
        acceptor_.async_accept(asio::make_strand(context_), [this](boost::system::error_code error, auto socket) {
            if (error) return accept_later();  // no descriptor is free, or the client has gone
            serve(boost::beast::tcp_stream(std::move(socket)));
            accept();
        });
    }
    void accept_later() {
        pause_.expires_after(std::chrono::milliseconds(10));
        pause_.async_wait([this](boost::system::error_code error) {
            if (!error) accept();
        });
    }
    void serve(boost::beast::tcp_stream stream) {
        ConnectionCount counted(connections_);
        if (!certificate_) return PlainSession::start(site_, std::move(stream), std::move(counted));
        const auto tls = certificate_->current();
        TlsSession::start(site_, TlsStream(std::move(stream), *tls), std::move(counted));
    }

    const Site site_;
    const std::unique_ptr<TlsCertificate> certificate_;
    const std::shared_ptr<std::atomic<int>> connections_ = std::make_shared<std::atomic<int>>(0);
    asio::io_context context_{static_cast<int>(workers)};
    tcp::acceptor acceptor_{context_};
    asio::steady_timer pause_{context_};
    std::vector<std::thread> threads_;
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
    std::unique_ptr<TlsCertificate> certificate;
    if (options.tls.is_on()) {
        auto opened = TlsCertificate::open(options.tls);
        if (!opened) return opened.error();
        certificate = std::move(*opened);
    }
    const auto endpoint = resolve(*address);
    if (!endpoint) return cannot_listen(listen, endpoint.error().what);
    auto server = std::make_unique<AsioServer>(Site(address->host, std::move(handlers), std::move(options)),
                                               std::move(certificate));
    if (const auto error = server->start(*endpoint)) return cannot_listen(listen, error.message());
    return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace sonde
