#include "agent/http/tls.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "agent/http/client.hpp"
#include "agent/http/server.hpp"
#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

class HttpTlsTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(make("agent"));
        ASSERT_TRUE(make("other"));
    }
    [[nodiscard]] std::string file(const std::string& name) const { return directory_.path() + "/" + name; }
    [[nodiscard]] TlsOptions tls() const { return {file("agent.crt"), file("agent.key")}; }
    // A certificate that signed itself, as most nodes have; its name is not that of the address that is asked.
    [[nodiscard]] bool make(const std::string& name, const std::string& key = "-nodes") const {
        return std::system(("cd " + directory_.path() + " && openssl req -x509 -newkey ec -pkeyopt " +
                            "ec_paramgen_curve:P-256 -days 2 -subj /CN=" + name + " " + key + " -keyout " + name +
                            ".key -out " + name + ".crt >log 2>&1")
                               .c_str()) == 0;
    }
    [[nodiscard]] std::unique_ptr<HttpServer> serve() const {
        HttpServerOptions options;
        options.tls = tls();
        Handlers handlers;
        handlers["/healthz"] = [](const Request&) { return Response{200, "text/plain", "alive\n", {}}; };
        handlers["/large"] = [](const Request&) {
            return Response{200, "text/plain", std::string(3'000'000, 'x'), {}};
        };
        auto server = HttpServer::start("127.0.0.1:0", std::move(handlers), options);
        return server ? std::move(*server) : nullptr;
    }
    static Result<ClientResponse> get(const HttpServer& server, const std::string& certificate,
                                      const std::string& target = "/healthz", const std::string& scheme = {}) {
        return http_get({.address = scheme + "127.0.0.1:" + std::to_string(server.port()),
                         .token = {},
                         .certificate_file = certificate},
                        target);
    }
    // "": it opens.
    static std::string refusal(const TlsOptions& options) {
        const auto opened = TlsCertificate::open(options);
        if (opened) return {};
        EXPECT_EQ(opened.error().exit_code(), 2);
        EXPECT_FALSE(opened.error().hint.empty());
        return opened.error().what;
    }

    TemporaryDirectory directory_;
};

TEST_F(HttpTlsTest, AnswersWhoKnowsItsCertificate) {
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    const auto answer = get(*server, file("agent.crt"));
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->body, "alive\n");
    EXPECT_EQ(get(*server, file("agent.crt"), "/large")->body.size(), 3'000'000u);
    const auto other = get(*server, file("other.crt"));
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().what.find("is another than that in " + file("other.crt")), std::string::npos)
        << other.error().message();
    const auto unknown = get(*server, "", "/healthz", "https://");
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().what.find("is not trusted"), std::string::npos) << unknown.error().message();
    const auto none = get(*server, file("none.crt"));
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().what.find("No such file"), std::string::npos);
}

TEST_F(HttpTlsTest, PlainHttpIsToldToSpeakTls) {
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    const auto plain = get(*server, "");
    ASSERT_FALSE(plain);
    EXPECT_NE(plain.error().hint.find("--certificate FILE"), std::string::npos) << plain.error().message();
    EXPECT_TRUE(get(*server, file("agent.crt"))) << "and it still answers";
}

TEST_F(HttpTlsTest, ARenewedCertificateIsShownToTheNextConnection) {
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    std::filesystem::copy(file("agent.crt"), file("before.crt"));
    const auto put = [this](const char* kind) {
        std::filesystem::rename(file(std::string("other.") + kind), file(std::string("agent.") + kind));
    };
    put("crt");
    EXPECT_TRUE(get(*server, file("before.crt"))) << "the new certificate's key is not there yet";
    put("key");
    EXPECT_TRUE(get(*server, file("agent.crt")));
    EXPECT_FALSE(get(*server, file("before.crt")));
    std::filesystem::remove(file("agent.key"));
    EXPECT_TRUE(get(*server, file("agent.crt"))) << "the last good pair stays";
}

TEST_F(HttpTlsTest, WrongFilesAreNamedByTheirKeys) {
    EXPECT_EQ(refusal(tls()), "");
    EXPECT_EQ(refusal({file("agent.crt"), ""}), "http.tls.key_file: is not set");
    EXPECT_EQ(refusal({"", file("agent.key")}), "http.tls.certificate_file: is not set");
    EXPECT_EQ(refusal({file("none"), file("agent.key")}),
              "http.tls.certificate_file: cannot read " + file("none") + ": No such file or directory");
    EXPECT_EQ(refusal({file("agent.crt"), directory_.path()}),
              "http.tls.key_file: " + directory_.path() + " is not a file");
    EXPECT_EQ(refusal({file("agent.crt"), file("other.key")}),
              "http.tls.key_file: " + file("other.key") + " is not the key of the certificate in " + file("agent.crt"));
    std::ofstream(file("text")) << "no PEM\n";
    EXPECT_TRUE(refusal({file("text"), file("agent.key")})
                    .starts_with("http.tls.certificate_file: " + file("text") + " holds no certificate: "));
    EXPECT_TRUE(refusal({file("agent.crt"), file("text")})
                    .starts_with("http.tls.key_file: " + file("text") + " holds no private key that can be used: "));
    ASSERT_TRUE(make("locked", "-passout pass:secret"));
    EXPECT_TRUE(refusal({file("locked.crt"), file("locked.key")}).starts_with("http.tls.key_file: "));
}

}  // namespace
}  // namespace sonde
