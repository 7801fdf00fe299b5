#include "agent/protocol/forwarded.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

namespace sonde {
namespace {

using Headers = std::initializer_list<std::pair<std::string_view, std::string_view>>;

std::string text_of(const Endpoint& address) {
    if (address.family == 0) return "none";
    if (address.family == AF_UNIX) return "unix";
    std::array<char, INET6_ADDRSTRLEN> text{};
    return ::inet_ntop(address.family, address.address.data(), text.data(), text.size());
}

Endpoint address(std::string_view text) {
    if (text != "unix") return parse_address(text);
    Endpoint out;
    out.family = AF_UNIX;
    return out;
}

std::string client(Headers headers, std::string_view peer = "127.0.0.1",
                   const std::vector<std::string>& trusted = {"127.0.0.0/8", "unix", "10.0.0.0/8", "2001:db8:1::/48"}) {
    ForwardedHeaders taken;
    for (const auto& [name, value] : headers) EXPECT_TRUE(taken.take(name, value)) << name;
    return text_of(taken.client(address(peer), *TrustedProxies::parse(trusted)));
}

TEST(Forwarded, WithoutHeadersThePeer) {
    EXPECT_EQ(client({}, "198.51.100.7"), "198.51.100.7");
    EXPECT_EQ(client({}), "127.0.0.1");
    EXPECT_EQ(client({}, "unix"), "unix");
}

TEST(Forwarded, AStrangersWordDoesNotCount) {
    EXPECT_EQ(client({{"X-Forwarded-For", "203.0.113.9"}}, "198.51.100.7"), "198.51.100.7");
    EXPECT_EQ(client({{"X-Real-IP", "203.0.113.9"}}, "198.51.100.7"), "198.51.100.7");
    EXPECT_EQ(client({{"Forwarded", "for=203.0.113.9"}}, "2001:db8:2::1"), "2001:db8:2::1");
}

TEST(Forwarded, TheLastAddressThatIsNoTrustedProxy) {
    EXPECT_EQ(client({{"x-forwarded-for", "203.0.113.9"}}), "203.0.113.9");
    EXPECT_EQ(client({{"x-forwarded-for", "6.6.6.6, 203.0.113.9 , 10.1.2.3"}}), "203.0.113.9");
    EXPECT_EQ(client({{"x-forwarded-for", "6.6.6.6"}, {"x-forwarded-for", "203.0.113.9,,10.1.2.3"}}), "203.0.113.9");
    EXPECT_EQ(client({{"x-forwarded-for", "10.0.0.2, 10.0.0.3"}}), "10.0.0.2") << "all are proxies: the first of them";
    EXPECT_EQ(client({{"x-forwarded-for", "nonsense, 203.0.113.9"}}), "203.0.113.9") << "nonsense is not asked";
    EXPECT_EQ(client({{"x-forwarded-for", "203.0.113.9"}}, "unix"), "203.0.113.9");
}

TEST(Forwarded, EveryFormOfAnAddress) {
    EXPECT_EQ(client({{"x-forwarded-for", "203.0.113.9:4711"}}), "203.0.113.9");
    EXPECT_EQ(client({{"x-forwarded-for", "2001:db8:2::1"}}), "2001:db8:2::1");
    EXPECT_EQ(client({{"x-forwarded-for", "[2001:db8:2::1]:80"}}), "2001:db8:2::1");
    EXPECT_EQ(client({{"x-forwarded-for", "::ffff:203.0.113.9"}}), "203.0.113.9");
    EXPECT_EQ(client({{"x-forwarded-for", "203.0.113.9"}}, "::ffff:127.0.0.1"), "203.0.113.9");
    EXPECT_EQ(client({{"forwarded", "for=\"[2001:db8:2::1]:4711\";proto=https"}}), "2001:db8:2::1");
    EXPECT_EQ(client({{"forwarded", "by=_x;For=203.0.113.9"}}), "203.0.113.9");
    EXPECT_EQ(client({{"forwarded", "for=203.0.113.9;host=\"a,b;c\", for=10.0.0.1"}}), "203.0.113.9");
}

TEST(Forwarded, WhoIsHiddenStaysHidden) {
    EXPECT_EQ(client({{"forwarded", "for=unknown"}}), "none");
    EXPECT_EQ(client({{"forwarded", "for=203.0.113.9, for=_secret, for=10.0.0.1"}}), "none");
    EXPECT_EQ(client({{"forwarded", "proto=https"}}), "none");
    EXPECT_EQ(client({{"x-forwarded-for", "999.1.1.1"}}), "none");
    EXPECT_EQ(client({{"x-forwarded-for", "[2001:db8:2::1"}}), "none");
    EXPECT_EQ(client({{"x-real-ip", "203.0.113.9, 203.0.113.10"}}), "203.0.113.10");
}

TEST(Forwarded, ForwardedBeforeTheOthers) {
    EXPECT_EQ(
        client({{"x-real-ip", "203.0.113.1"}, {"x-forwarded-for", "203.0.113.2"}, {"forwarded", "for=203.0.113.3"}}),
        "203.0.113.3");
    EXPECT_EQ(client({{"x-real-ip", "203.0.113.1"}, {"x-forwarded-for", "203.0.113.2"}}), "203.0.113.2");
}

TEST(Forwarded, MoreLinesThanAreKept) {
    ForwardedHeaders headers;
    for (int i = 0; i < 9; ++i) headers.take("x-forwarded-for", "10.0.0.1");
    EXPECT_EQ(text_of(headers.client(address("127.0.0.1"), TrustedProxies::local())), "none");
    EXPECT_FALSE(ForwardedHeaders{}.take("x-forwarded-fo", "10.0.0.1"));
}

TEST(TrustedProxies, Prefixes) {
    const auto trusted = *TrustedProxies::parse({"192.0.2.128/25", "2001:db8::/33", "198.51.100.1", "0.0.0.0/0"});
    EXPECT_TRUE(trusted.contains(address("1.2.3.4")));
    EXPECT_FALSE(trusted.contains(address("unix")));
    EXPECT_TRUE(trusted.contains(address("2001:db8:7fff::1")));
    EXPECT_FALSE(trusted.contains(address("2001:db8:8000::1")));
    const auto narrow = *TrustedProxies::parse({"192.0.2.128/25", "198.51.100.1"});
    EXPECT_TRUE(narrow.contains(address("192.0.2.200")));
    EXPECT_TRUE(narrow.contains(address("::ffff:192.0.2.200")));
    EXPECT_FALSE(narrow.contains(address("192.0.2.127")));
    EXPECT_FALSE(narrow.contains(address("198.51.100.2")));
}

TEST(TrustedProxies, WhatIsNone) {
    for (const char* bad :
         {"", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "proxy"}) {
        const auto parsed = TrustedProxies::parse({"127.0.0.1", bad});
        ASSERT_FALSE(parsed) << bad;
        EXPECT_EQ(parsed.error().exit_code(), 2);
        EXPECT_NE(parsed.error().what.find(bad), std::string::npos);
    }
}

}  // namespace
}  // namespace sonde
