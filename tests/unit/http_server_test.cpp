#include "agent/http/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/unique_fd.hpp"
#include "agent/http/metrics_handler.hpp"
#include "agent/metric/http_metrics.hpp"
#include "agent/metric/self_metrics.hpp"

namespace sonde {
namespace {

std::string talk(unsigned short port, const std::string& request) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return "no connection";
    if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "no request";
    std::string out;
    char buffer[4096];
    for (;;) {
        const auto got = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (got <= 0) return out;
        out.append(buffer, static_cast<std::size_t>(got));
    }
}

std::string ask(unsigned short port, const std::string& method, const std::string& target) {
    return talk(port, method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

std::string body_of(const std::string& response) {
    const auto end = response.find("\r\n\r\n");
    return end == std::string::npos ? "" : response.substr(end + 4);
}

class HttpServerTest : public testing::Test {
protected:
    void SetUp() override {
        Handlers handlers;
        handlers["/healthz"] = [](const Request&) { return Response{200, "text/plain; charset=utf-8", "alive\n", {}}; };
        handlers["/readyz"] = [](const Request&) {
            return Response{503, "text/plain; charset=utf-8", "starting\n", {}};
        };
        handlers["/large"] = [](const Request&) {
            return Response{200, "text/plain", std::string(3'000'000, 'x'), {}};
        };
        handlers["/throws"] = [](const Request&) -> Response { throw std::runtime_error("broken"); };
        auto server = HttpServer::start("127.0.0.1:0", std::move(handlers));
        ASSERT_TRUE(server) << server.error().message();
        server_ = std::move(*server);
        port_ = server_->port();
        ASSERT_NE(port_, 0);
    }
    std::unique_ptr<HttpServer> server_;
    unsigned short port_ = 0;
};

TEST(HttpServerWrites, AreFewAndGuarded) {
    HttpServerOptions options;
    options.writes["/note"] = [](const Request& request) {
        return Response{201, "text/plain", request.method + " " + request.body, {}};
    };
    auto server = HttpServer::start("127.0.0.1:0", {}, options);
    ASSERT_TRUE(server);
    const auto port = (*server)->port();
    const auto post = [&](const std::string& headers, const std::string& body, const char* path = "/note") {
        return talk(port, "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
                              "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    };
    const std::string json = "Content-Type: application/json\r\n";
    const auto good = post(json, "{}");
    EXPECT_TRUE(good.starts_with("HTTP/1.1 201 ")) << good;
    EXPECT_EQ(body_of(good), "POST {}");
    EXPECT_EQ(body_of(post(json, std::string(60'000, 'x'))), "POST " + std::string(60'000, 'x'));
    EXPECT_TRUE(post("", "{}").starts_with("HTTP/1.1 415 "));
    EXPECT_TRUE(post(json + "Origin: http://evil.example\r\n", "{}").starts_with("HTTP/1.1 403 "));
    EXPECT_TRUE(post(json + "Sec-Fetch-Site: cross-site\r\n", "{}").starts_with("HTTP/1.1 403 "));
    EXPECT_TRUE(post(json, "{}", "/other").starts_with("HTTP/1.1 405 "));
    EXPECT_TRUE(ask(port, "GET", "/note").starts_with("HTTP/1.1 404 "));
    EXPECT_EQ(body_of(ask(port, "DELETE", "/note")), "DELETE ");
    EXPECT_TRUE(ask(port, "PUT", "/note").starts_with("HTTP/1.1 405 "));
    EXPECT_TRUE(post(json, std::string(70'000, 'x')).starts_with("HTTP/1.1 413 "));

    options.token = "correct-horse";
    server = HttpServer::start("127.0.0.1:0", {}, options);
    ASSERT_TRUE(server);
    const auto guarded = (*server)->port();
    EXPECT_TRUE(ask(guarded, "DELETE", "/note").starts_with("HTTP/1.1 401 "));
    options.token.clear();
    options.allow_anonymous = true;
    server = HttpServer::start(":0", {}, options);
    ASSERT_TRUE(server);
    EXPECT_TRUE(ask((*server)->port(), "DELETE", "/note").starts_with("HTTP/1.1 403 "));
}

TEST_F(HttpServerTest, Answers) {
    const auto response = ask(port_, "GET", "/healthz");
    EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n")) << response;
    EXPECT_NE(response.find("Content-Type: text/plain; charset=utf-8\r\n"), std::string::npos);
    EXPECT_NE(response.find("Content-Length: 6\r\n"), std::string::npos);
    EXPECT_EQ(body_of(response), "alive\n");
    EXPECT_EQ(body_of(ask(port_, "GET", "/healthz?verbose=1")), "alive\n");
    EXPECT_TRUE(ask(port_, "GET", "/readyz").starts_with("HTTP/1.1 503 "));
    EXPECT_EQ(body_of(ask(port_, "GET", "/large")).size(), 3'000'000u);
}

TEST_F(HttpServerTest, HeadHasNoBody) {
    const auto response = ask(port_, "HEAD", "/healthz");
    EXPECT_TRUE(response.starts_with("HTTP/1.1 200 "));
    EXPECT_NE(response.find("Content-Length: 6\r\n"), std::string::npos);
    EXPECT_EQ(body_of(response), "");
}

TEST_F(HttpServerTest, RefusesWhatItDoesNotKnow) {
    for (const char* path : {"/", "/nothing", "/healthz/", "/../etc/passwd", "/%2e%2e/etc/passwd"})
        EXPECT_TRUE(ask(port_, "GET", path).starts_with("HTTP/1.1 404 ")) << path;
    for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
        const auto response = ask(port_, method, "/healthz");
        EXPECT_TRUE(response.starts_with("HTTP/1.1 405 ")) << method << response;
        EXPECT_NE(response.find("Allow: GET, HEAD\r\n"), std::string::npos) << method;
    }
    const auto preflight = talk(port_,
                                "OPTIONS /healthz HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\n"
                                "Access-Control-Request-Method: GET\r\n\r\n");
    EXPECT_EQ(preflight.find("Access-Control-Allow"), std::string::npos) << preflight;
    EXPECT_TRUE(ask(port_, "GET", "/throws").starts_with("HTTP/1.1 500 "));
    talk(port_, "nonsense\r\n\r\n");
    EXPECT_EQ(body_of(ask(port_, "GET", "/healthz")), "alive\n") << "and it still answers";
}

TEST(HttpServer, PrefixesQueriesAndTokens) {
    Handlers handlers;
    handlers["/healthz"] = [](const Request&) { return Response{}; };
    handlers["/things/"] = [](const Request& r) {
        return Response{200, "text/plain", r.tail + "|" + std::string(r.query.get("q").value_or("-")), {}};
    };
    handlers["/page"] = [](const Request&) {
        return Response{200, "text/html", "", {{"content-security-policy", "default-src 'self'"}}};
    };
    auto server = HttpServer::start("127.0.0.1:0", std::move(handlers), {.token = "correct-horse"});
    ASSERT_TRUE(server) << server.error().message();
    const auto port = (*server)->port();
    const auto with = [port](const std::string& target, const std::string& authorization) {
        return talk(port,
                    "GET " + target + " HTTP/1.1\r\nHost: any.name\r\nAuthorization: " + authorization + "\r\n\r\n");
    };
    EXPECT_TRUE(ask(port, "GET", "/healthz").starts_with("HTTP/1.1 200 "));
    const auto refused = ask(port, "GET", "/things/1");
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 401 ")) << refused;
    EXPECT_NE(refused.find("WWW-Authenticate: Bearer"), std::string::npos);
    EXPECT_TRUE(ask(port, "GET", "/nothing").starts_with("HTTP/1.1 401 ")) << "not even what there is";
    EXPECT_TRUE(with("/things/1", "Bearer wrong-horse!").starts_with("HTTP/1.1 401 "));
    EXPECT_EQ(body_of(with("/things/a%2Fb?q=%C3%A9", "Bearer correct-horse")), "a/b|\xc3\xa9");
    EXPECT_EQ(body_of(with("/things/1", "Bearer correct-horse")), "1|-");
    EXPECT_TRUE(with("/things", "Bearer correct-horse").starts_with("HTTP/1.1 404 "));
    EXPECT_TRUE(with("/things/1?q=%", "Bearer correct-horse").starts_with("HTTP/1.1 400 "));
    const auto page = with("/page", "Bearer correct-horse");
    EXPECT_NE(page.find("default-src 'self'"), std::string::npos);
    EXPECT_EQ(page.find("default-src 'none'"), std::string::npos);
    EXPECT_NE(page.find("X-Frame-Options: DENY\r\n"), std::string::npos);
}

TEST_F(HttpServerTest, AForeignNameIsRefused) {
    EXPECT_TRUE(talk(port_, "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n").starts_with("HTTP/1.1 421 "));
    EXPECT_TRUE(talk(port_, "GET /healthz HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ManyClients) {
    std::vector<std::thread> clients;
    for (int i = 0; i < 8; ++i)
        clients.emplace_back([this] {
            for (int k = 0; k < 20; ++k) EXPECT_EQ(body_of(ask(port_, "GET", "/healthz")), "alive\n");
        });
    for (auto& client : clients) client.join();
}

TEST_F(HttpServerTest, TakenPortSaysSo) {
    const auto listen = "127.0.0.1:" + std::to_string(port_);
    const auto second = HttpServer::start(listen, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().what, "cannot listen on " + listen + ": address already in use");
    EXPECT_EQ(second.error().hint, "stop the other program or choose another address with --listen HOST:PORT");
    EXPECT_EQ(second.error().exit_code(), 1);
}

TEST_F(HttpServerTest, StopsAndFreesThePort) {
    server_.reset();
    EXPECT_EQ(ask(port_, "GET", "/healthz"), "no connection");
    EXPECT_TRUE(HttpServer::start("127.0.0.1:" + std::to_string(port_), {}));
}

TEST(HttpServer, BadAddresses) {
    for (const char* listen :
         {"", "9745", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80",
          "[::1:80", "[]:80", "a,b:80", "127.0.0.1:80s", "127.0.0.1:0,127.0.0.1:0"}) {
        const auto server = HttpServer::start(listen, {});
        ASSERT_FALSE(server) << listen;
        EXPECT_EQ(server.error().exit_code(), 2) << listen;
        EXPECT_NE(server.error().hint.find("HOST:PORT"), std::string::npos);
    }
    const auto elsewhere =
        HttpServer::start("192.0.2.1:9745", {},
                          {.token = "t", .allow_anonymous = false, .open_paths = {}});  // TEST-NET-1: no machine has it
    ASSERT_FALSE(elsewhere);
    EXPECT_EQ(elsewhere.error().what, "cannot listen on 192.0.2.1:9745: cannot assign requested address");
}

TEST(HttpServer, V6ListensOrSaysWhyNot) {
    const auto server = HttpServer::start("[::1]:0", {});
    if (server) {
        EXPECT_NE((*server)->port(), 0);
    } else {
        EXPECT_TRUE(server.error().what.starts_with("cannot listen on [::1]:0: ")) << server.error().what;
    }
}

Transaction transaction(Side side, std::string_view route, std::uint16_t status) {
    Transaction t;
    t.side = side;
    t.method.assign("GET");
    t.route = route;
    t.service = "shop \"one\"\\";
    t.status = status;
    t.duration_ns = 2'000'000;
    t.request_body_bytes = 10;
    t.response_body_bytes = 2'000;
    t.server.port = 80;
    t.phase_ns = {1000, 2000, 3000, 4000, 5000};
    return t;
}

TEST(Metrics, PromtoolFindsNothing) {
    auto http = std::make_shared<HttpMetrics>(3);
    for (const auto side : {Side::server, Side::client})
        for (const auto* route : {"/", "/orders/{id}", "/a", "/b"}) http->observe(transaction(side, route, 200));
    auto self = std::make_shared<SelfMetrics>(SelfMetricsProviders{
        .version = "0.1.0",
        .losses = [] { return LossMatrix{}; },
        .features =
            [] {
                return std::vector<FeatureState>{{"sk_storage", true}};
            },
        .samples =
            [] {
                return std::vector<Sample>{{"sonde_queue_size", "Records.", SampleType::gauge, {}, 1}};
            },
    });
    auto more = std::make_shared<SelfMetrics>(SelfMetricsProviders{
        .version = "",
        .losses = {},
        .features = {},
        .samples =
            [] {
                return std::vector<Sample>{
                    {"sonde_transactions_total", "Other help.", SampleType::counter, {{"side", "none"}}, 1}};
            },
    });
    Handlers handlers;
    handlers["/metrics"] = metrics_handler({http, self}, [http] { return http->exemplars(); });
    handlers["/merged"] = metrics_handler({http, more}, [] { return ExemplarsBySeries{}; });
    auto server = HttpServer::start("127.0.0.1:0", std::move(handlers));
    ASSERT_TRUE(server);
    const auto merged = body_of(ask((*server)->port(), "GET", "/merged"));
    const auto type = merged.find("# TYPE sonde_transactions_total");
    EXPECT_NE(type, std::string::npos);
    EXPECT_EQ(merged.find("# TYPE sonde_transactions_total", type + 1), std::string::npos) << "each name once";

    const auto text = body_of(ask((*server)->port(), "GET", "/metrics"));
    EXPECT_NE(text.find("http_server_request_duration_seconds_bucket"), std::string::npos);
    const auto path = testing::TempDir() + "sonde_http_server_test.prom";
    std::ofstream(path) << text;
    auto* tool = ::popen(("promtool check metrics <" + path + " 2>&1").c_str(), "r");
    ASSERT_NE(tool, nullptr);
    std::string findings;
    char buffer[512];
    while (std::fgets(buffer, sizeof buffer, tool) != nullptr) findings += buffer;
    EXPECT_EQ(::pclose(tool), 0) << findings;
    EXPECT_EQ(findings, "");
    std::remove(path.c_str());
}

}  // namespace
}  // namespace sonde
