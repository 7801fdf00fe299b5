#include "agent/protocol/client_hello.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>

namespace sonde {
namespace {

std::string be(std::size_t value, int width) {
    std::string out;
    for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
    return out;
}
std::string vector(std::string_view body, int width) { return be(body.size(), width) + std::string(body); }
std::string extension(std::uint16_t type, std::string_view body) { return be(type, 2) + vector(body, 2); }
std::string server_name(std::string_view name) { return extension(0, vector('\0' + vector(name, 2), 2)); }
std::string versions(std::string_view list) { return extension(43, vector(list, 1)); }
std::string alpn(std::initializer_list<std::string_view> names) {
    std::string list;
    for (const auto name : names) list += vector(name, 1);
    return extension(16, vector(list, 2));
}

std::string message(std::string_view extensions, std::uint16_t legacy_version = 0x0303) {
    const std::string body = be(legacy_version, 2) + std::string(32, 'r') + vector(std::string(32, 's'), 1) +
                             vector("\x13\x01\x13\x02", 2) + vector(std::string_view("\0", 1), 1) +
                             vector(extensions, 2);
    return '\1' + vector(body, 3);
}
std::string record(std::string_view fragment) { return "\x16\x03\x01" + vector(fragment, 2); }

ClientHello parse(std::string_view bytes) {
    return parse_client_hello(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

const std::string usual = server_name("shop.test") + versions("\x7a\x7a\x03\x04\x03\x03") +
                          alpn({std::string_view("\x8a\x8a", 2), "h2", "http/1.1"}) +
                          extension(51, std::string(1200, 'k'));

TEST(ClientHello, TellsServerNameVersionAndProtocols) {
    const auto hello = parse(record(message(usual)));
    EXPECT_EQ(hello.state, ParseState::done);
    EXPECT_EQ(hello.server_name.view(), "shop.test");
    EXPECT_EQ(hello.version, 0x0304);
    EXPECT_EQ(hello.alpn.view(), "h2,http/1.1");  // GREASE is no protocol
    EXPECT_FALSE(hello.encrypted_hello);
}

TEST(ClientHello, CutAtEveryByteAsksForMoreAndNeverContradictsItself) {
    const auto whole = record(message(usual));
    for (std::size_t n = 0; n < whole.size(); ++n) {
        // a copy of exactly n bytes: a sanitizer sees a read beyond it
        const auto hello = parse(std::string(whole.data(), n));
        ASSERT_EQ(hello.state, ParseState::need_more) << n;
        ASSERT_TRUE(hello.server_name.view().empty() || hello.server_name.view() == "shop.test") << n;
        ASSERT_TRUE(hello.alpn.view().empty() || hello.alpn.view() == "h2,http/1.1") << n;
    }
}

TEST(ClientHello, SplitOverTwoRecordsAtEveryByte) {
    const auto whole = message(usual);
    for (std::size_t n = 1; n < whole.size(); ++n) {
        const auto hello = parse(record(whole.substr(0, n)) + record(whole.substr(n)));
        ASSERT_EQ(hello.state, ParseState::done) << n;
        ASSERT_EQ(hello.server_name.view(), "shop.test") << n;
    }
}

TEST(ClientHello, WhatFollowsTheHelloIsIgnored) {
    EXPECT_EQ(parse(record(message(usual)) + "\x17\x03\x03 early data").state, ParseState::done);
}

TEST(ClientHello, WithoutExtensionsOnlyTheVersionIsKnown) {
    auto body = be(0x0301, 2) + std::string(32, 'r') + vector("", 1) + vector("\x13\x01", 2) +
                vector(std::string_view("\0", 1), 1);
    const auto hello = parse(record('\1' + vector(body, 3)));
    EXPECT_EQ(hello.state, ParseState::done);
    EXPECT_EQ(tls_version_name(hello.version), "1.0");
    EXPECT_TRUE(hello.server_name.view().empty());
}

TEST(ClientHello, AnEncryptedHelloIsSaid) {
    EXPECT_TRUE(parse(record(message(server_name("front.test") + extension(65037, "sealed")))).encrypted_hello);
}

TEST(ClientHello, ANameThatIsNoHostNameIsNone) {
    const auto hello = parse(record(message(server_name("a\"b\n{}"))));
    EXPECT_EQ(hello.state, ParseState::done);
    EXPECT_TRUE(hello.server_name.view().empty());
}

TEST(ClientHello, ManyProtocolsAreCutAtAWholeName) {
    std::string list;
    for (int i = 0; i < 40; ++i) list += vector("protocol-" + std::to_string(i), 1);
    const auto hello = parse(record(message(extension(16, vector(list, 2)))));
    EXPECT_EQ(hello.state, ParseState::done);
    EXPECT_LE(hello.alpn.view().size(), 128U);
    EXPECT_TRUE(hello.alpn.view().starts_with("protocol-0,protocol-1,"));
    EXPECT_FALSE(hello.alpn.view().ends_with(","));
}

TEST(ClientHello, LengthsThatContradictEachOtherAreInvalid) {
    EXPECT_EQ(parse("GET / HTTP/1.1\r\n\r\n").state, ParseState::invalid);
    EXPECT_EQ(parse(record('\2' + vector("server hello", 3))).state, ParseState::invalid);
    EXPECT_EQ(parse("\x16\x03\x01" + be(20000, 2)).state, ParseState::invalid);
    EXPECT_EQ(parse(record(message(extension(0, be(100, 2) + "short")))).state, ParseState::invalid);
    EXPECT_EQ(parse(record(message(extension(43, "\x03\x03\x04\x03")))).state, ParseState::invalid);
    auto longer = message(usual);
    longer[longer.size() - 1202] = '\x7f';  // the last extension claims more than the message has
    EXPECT_EQ(parse(record(longer)).state, ParseState::invalid);
}

TEST(ClientHello, VersionsHaveNames) {
    EXPECT_EQ(tls_version_name(0x0304), "1.3");
    EXPECT_EQ(tls_version_name(0x0300), "ssl3");
    EXPECT_EQ(tls_version_name(0x7a7a), "unknown");
    EXPECT_EQ(tls_version_name(0), "unknown");
}

}  // namespace
}  // namespace sonde
