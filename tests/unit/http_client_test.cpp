#include "sinks/net/http_client.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/http_receiver.hpp"
#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

std::unique_ptr<HttpClient> client_for(const HttpClientOptions& options) {
    auto client = HttpClient::create(options);
    if (!client) throw std::runtime_error(client.error().message());
    return std::move(*client);
}

void write_file(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

TEST(HttpClient, ReadsCredentialsAgainWhenTheyChange) {
    const TemporaryDirectory directory;
    const auto token = directory.path() + "/token";
    write_file(token, "first\n");
    const HttpReceiver receiver;
    const auto client = client_for({.url = receiver.url(), .bearer_token_file = token});
    EXPECT_EQ(client->post("a", "text/plain", "").status, 200);
    write_file(token, "second-token\n");
    EXPECT_EQ(client->post("b", "text/plain", "").status, 200);
    std::filesystem::remove(token);  // the old one holds
    EXPECT_EQ(client->post("c", "text/plain", "").status, 200);
    const auto requests = receiver.requests();
    ASSERT_EQ(requests.size(), 3);
    EXPECT_EQ(requests[0].headers.at("authorization"), "Bearer first");
    EXPECT_EQ(requests[1].headers.at("authorization"), "Bearer second-token");
    EXPECT_EQ(requests[2].headers.at("authorization"), "Bearer second-token");
    EXPECT_EQ(requests[2].body, "c");
}

TEST(HttpClient, SendsBasicAuthentication) {
    const TemporaryDirectory directory;
    const auto file = directory.path() + "/basic";
    write_file(file, "user:pass:word");
    const HttpReceiver receiver;
    const auto client = client_for({.url = receiver.url(), .basic_auth_file = file});
    EXPECT_EQ(client->post("a", "text/plain", "gzip").status, 200);
    EXPECT_EQ(receiver.requests()[0].headers.at("authorization"), "Basic dXNlcjpwYXNzOndvcmQ=");
    EXPECT_EQ(receiver.requests()[0].headers.at("content-encoding"), "gzip");
    EXPECT_FALSE(HttpClient::create({.url = receiver.url(), .basic_auth_file = file, .bearer_token_file = file}));
}

TEST(HttpClient, KeepsItsConnectionAndFollowsNobody) {
    const HttpReceiver receiver([](const ReceivedRequest&) {
        return ReceiverAnswer{.status = 302, .headers = {"Location: /elsewhere"}, .body = std::string(200'000, 'x')};
    });
    const auto client = client_for({.url = receiver.url()});
    for (int i = 0; i < 3; ++i) {
        const auto response = client->post("a", "text/plain", "");
        EXPECT_EQ(response.status, 302);
        EXPECT_EQ(response.body.size(), 64 * 1024);
    }
    ASSERT_EQ(receiver.count(), 3);
    for (const auto& request : receiver.requests()) EXPECT_EQ(request.connection, 0);
}

TEST(HttpClient, TimeOutsAreTold) {
    const HttpReceiver receiver(
        [](const ReceivedRequest&) { return ReceiverAnswer{.kind = ReceiverAnswer::Kind::hang}; });
    const auto client = client_for({.url = receiver.url(), .timeout_ms = 50});
    const auto response = client->post("a", "text/plain", "");
    EXPECT_EQ(response.status, 0);
    EXPECT_NE(response.error.find("timed out"), std::string::npos) << response.error;
    client->stop_by(std::chrono::steady_clock::now());
    EXPECT_NE(client->post("a", "text/plain", "").error.find("stopped"), std::string::npos);
    EXPECT_EQ(receiver.count(), 1);
}

// A CA of our own, made anew: server and client certificates for localhost, and another CA that signed neither.
class HttpClientTls : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(make_ca("ca"));
        ASSERT_TRUE(make_ca("other"));
        ASSERT_TRUE(make_certificate("server"));
        ASSERT_TRUE(make_certificate("client"));
    }
    [[nodiscard]] std::string file(const std::string& name) const { return directory_.path() + "/" + name; }
    bool run(const std::string& arguments) const {
        return std::system(("cd " + directory_.path() + " && openssl " + arguments + " >log 2>&1").c_str()) == 0;
    }
    bool make_ca(const std::string& name) const {
        return run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" + name +
                   " -keyout " + name + ".key -out " + name + ".crt");
    }
    bool make_certificate(const std::string& name) const {
        write_file(file("san"), "subjectAltName=DNS:localhost\n");
        return run("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name + " -keyout " + name +
                   ".key -out " + name + ".csr") &&
               run("x509 -req -in " + name +
                   ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile san -out " + name + ".crt");
    }
    [[nodiscard]] ReceiverTls server(bool asks_client) const {
        return {file("server.crt"), file("server.key"), asks_client ? file("ca.crt") : ""};
    }
    static HttpResponse post(const HttpClientOptions& options) {
        return client_for(options)->post("a", "text/plain", "");
    }

    TemporaryDirectory directory_;
};

TEST_F(HttpClientTls, ServersAreVerified) {
    const HttpReceiver receiver({}, server(false));
    EXPECT_EQ(post({.url = receiver.url(), .ca_file = file("ca.crt")}).status, 200);
    for (const auto& ca : {file("other.crt"), std::string()}) {
        const auto response = post({.url = receiver.url(), .ca_file = ca});
        EXPECT_EQ(response.status, 0);
        EXPECT_NE(response.error.find("certificate"), std::string::npos) << response.error;
    }
    auto wrong_name = receiver.url();
    wrong_name.replace(wrong_name.find("localhost"), 9, "127.0.0.1");
    EXPECT_EQ(post({.url = wrong_name, .ca_file = file("ca.crt")}).status, 0);
    EXPECT_EQ(post({.url = wrong_name, .verify_tls = false}).status, 200);
    EXPECT_EQ(receiver.count(), 2);
}

TEST_F(HttpClientTls, ClientsShowTheirCertificate) {
    const HttpReceiver receiver({}, server(true));
    EXPECT_EQ(post({.url = receiver.url(),
                    .ca_file = file("ca.crt"),
                    .client_cert_file = file("client.crt"),
                    .client_key_file = file("client.key")})
                  .status,
              200);
    EXPECT_EQ(post({.url = receiver.url(), .ca_file = file("ca.crt")}).status, 0);
    EXPECT_EQ(receiver.count(), 1);
}

}  // namespace
}  // namespace sonde
