#include "agent/pipeline/tls_connections.hpp"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <string>

namespace sonde {
namespace {

std::string be(std::size_t value, int width) {
    std::string out;
    for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
    return out;
}
std::string vector(const std::string& body, int width) { return be(body.size(), width) + body; }

std::string hello_bytes(const std::string& name) {
    const std::string extensions = be(0, 2) + vector(vector('\0' + vector(name, 2), 2), 2);
    const std::string body = be(0x0303, 2) + std::string(32, 'r') + vector("", 1) + vector("\x13\x01", 2) +
                             vector(std::string(1, '\0'), 1) + vector(extensions, 2);
    return "\x16\x03\x01" + vector('\1' + vector(body, 3), 2);
}

class TlsConnectionsTest : public testing::Test {
protected:
    void hello(std::uint64_t cookie, const std::string& name, std::uint64_t time_ns = 1000) {
        const auto bytes = hello_bytes(name);
        TlsHello event;
        event.cookie = cookie;
        event.time_ns = time_ns;
        event.length = static_cast<std::uint32_t>(bytes.size());
        event.bytes = std::as_bytes(std::span(bytes));
        connections.on(event);
    }
    void plaintext(std::uint64_t cookie) { connections.on_plaintext(cookie); }
    void close(std::uint64_t cookie, std::uint64_t time_ns = 2000) {
        ConnClose event;
        event.cookie = cookie;
        event.time_ns = time_ns;
        connections.on(event);
    }
    [[nodiscard]] bool says(const std::string& line) const {
        return prometheus::TextSerializer{}.Serialize(connections.Collect()).find(line + "\n") != std::string::npos;
    }

    TlsConnections connections{{.connections = 3, .label_sets = 2}};
};

std::string total(const std::string& name, const char* version, bool readable, int count) {
    return "sonde_tls_connections_total{server_name=\"" + name + "\",version=\"" + version +
           "\",alpn=\"\",side=\"server\",readable=\"" + (readable ? "true" : "false") + "\"} " + std::to_string(count);
}

TEST_F(TlsConnectionsTest, APlaintextMakesItReadableOnce) {
    hello(1, "Shop.Test");
    plaintext(1);
    plaintext(1);
    close(1);
    close(1);
    EXPECT_TRUE(says(total("shop.test", "1.2", true, 1)));
    EXPECT_FALSE(says(total("shop.test", "1.2", false, 1)));
}

TEST_F(TlsConnectionsTest, OneWithoutPlaintextIsCountedAtItsEndWithItsTime) {
    hello(1, "jsse.test", 1'000'000'000);
    EXPECT_FALSE(says(total("jsse.test", "1.2", false, 1)));
    close(1, 1'250'000'000);
    EXPECT_TRUE(says(total("jsse.test", "1.2", false, 1)));
    EXPECT_TRUE(
        says("sonde_tls_connection_duration_seconds_sum{server_name=\"jsse.test\",version=\"1.2\",alpn=\"\","
             "side=\"server\",readable=\"false\"} 0.25"));
}

TEST_F(TlsConnectionsTest, NamesOverTheLimitShareOneSet) {
    for (std::uint64_t i = 1; i <= 5; ++i) {
        hello(i, "host" + std::to_string(i) + ".test");
        close(i);
    }
    EXPECT_TRUE(says(total("host2.test", "1.2", false, 1)));
    EXPECT_TRUE(says(total("{overflow}", "", false, 3)));
}

TEST_F(TlsConnectionsTest, ConnectionsOverTheLimitAreForgottenAndCounted) {
    for (std::uint64_t i = 1; i <= 5; ++i) hello(i, "a.test");
    EXPECT_EQ(connections.forgotten(), 2U);
}

}  // namespace
}  // namespace sonde
