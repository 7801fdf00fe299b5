#include "agent/http/access.hpp"

#include <gtest/gtest.h>

#include "agent/http/request.hpp"
#include "agent/http/server.hpp"

namespace sonde {
namespace {

TEST(Access, Loopback) {
    for (const char* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST", "a.localhost"})
        EXPECT_TRUE(is_loopback(host)) << host;
    for (const char* host : {"", "0.0.0.0", "::", "10.0.0.1", "localhost.evil.com", "128.0.0.1"})
        EXPECT_FALSE(is_loopback(host)) << host;
}

TEST(Access, HostHeader) {
    for (const char* host : {"", "localhost", "localhost:9745", "127.0.0.1:9745", "10.1.2.3", "[::1]:9745"})
        EXPECT_TRUE(is_local_host_header(host)) << host;
    for (const char* host : {"evil.com", "evil.com:9745", "127.0.0.1.evil.com", "localhost.evil.com:80"})
        EXPECT_FALSE(is_local_host_header(host)) << host;
}

TEST(Access, Token) {
    EXPECT_TRUE(bears_token("Bearer secret-1", "secret-1"));
    EXPECT_TRUE(bears_token("bearer   secret-1", "secret-1"));
    for (const char* header : {"", "Bearer", "Bearer ", "Bearer secret-", "Bearer secret-12", "Basic secret-1",
                               "secret-1", "Bearer secret-1secret-1"})
        EXPECT_FALSE(bears_token(header, "secret-1")) << header;
}

TEST(Access, WritesComeFromThePageOrFromNone) {
    EXPECT_TRUE(is_same_origin("", "", "127.0.0.1:9745"));
    EXPECT_TRUE(is_same_origin("http://127.0.0.1:9745", "same-origin", "127.0.0.1:9745"));
    EXPECT_TRUE(is_same_origin("https://Sonde.example", "", "sonde.example"));  // behind a proxy
    EXPECT_TRUE(is_same_origin("", "none", "127.0.0.1:9745"));
    EXPECT_FALSE(is_same_origin("http://evil.example", "", "127.0.0.1:9745"));
    EXPECT_FALSE(is_same_origin("http://127.0.0.1:80", "", "127.0.0.1:9745"));
    EXPECT_FALSE(is_same_origin("null", "", "127.0.0.1:9745"));
    EXPECT_FALSE(is_same_origin("http://", "", ""));
    for (const char* site : {"cross-site", "same-site", "x"}) EXPECT_FALSE(is_same_origin("", site, "127.0.0.1:9745"));
}

TEST(Access, NoOpenDoorByAccident) {
    for (const char* listen : {":0", "0.0.0.0:0"}) {
        const auto refused = HttpServer::start(listen, {});
        ASSERT_FALSE(refused) << listen;
        EXPECT_EQ(refused.error().exit_code(), 2);
        EXPECT_NE(refused.error().hint.find("--allow-anonymous"), std::string::npos);
        EXPECT_TRUE(HttpServer::start(listen, {}, {.token = "", .allow_anonymous = true, .open_paths = {}}));
        EXPECT_TRUE(
            HttpServer::start(listen, {}, {.token = "correct-horse", .allow_anonymous = false, .open_paths = {}}));
    }
}

TEST(Query, Parses) {
    const auto query = Query::parse("a=1&b=%2Forders%2f%7Bid%7D&c=x+y&&d&a=2");
    ASSERT_TRUE(query);
    EXPECT_EQ(query->get("a"), "2");
    EXPECT_EQ(query->get("b"), "/orders/{id}");
    EXPECT_EQ(query->get("c"), "x y");
    EXPECT_EQ(query->get("d"), "");
    EXPECT_EQ(query->get("e"), std::nullopt);
    for (const char* bad : {"a=%", "a=%2", "a=%zz", "%4=1"}) EXPECT_FALSE(Query::parse(bad)) << bad;
    std::string many;
    for (int i = 0; i < 33; ++i) many += "a=1&";
    EXPECT_FALSE(Query::parse(many));
}

}  // namespace
}  // namespace sonde
