#include "bpf/shared/http_sniff.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string_view>

namespace {

sonde_sniff sniff(std::string_view text) {
    std::array<unsigned char, 32> bytes{};
    const auto n = std::min<std::size_t>(text.size(), SONDE_SNIFF_BYTES);
    std::memcpy(bytes.data(), text.data(), n);
    return sonde_sniff_request(bytes.data(), static_cast<unsigned>(n));
}

TEST(HttpSniff, EveryRequestTargetForm) {
    for (const auto* text : {"GET / HTTP/1.1", "POST /a HTTP/1.1", "OPTIONS * HTTP/1.1", "GET http://h/ HTTP/1.1",
                             "CONNECT example.org:443 HTTP/1.1", "CONNECT [::1]:443 HTTP/1.1", "PROPFIND /dav HTTP/1.1",
                             "VERSION-CONTROL / HTTP/1.1", "PRI * HTTP/2.0\r\n\r\nSM"})
        EXPECT_EQ(sniff(text), SONDE_SNIFF_YES) << text;
}

TEST(HttpSniff, OtherProtocols) {
    for (const auto* text : {"get / HTTP/1.1", "HTTP/1.1 200 OK", "*1\r\n$4\r\nPING", "\x16\x03\x01", "SSH-2.0-x",
                             "EHLO mail", "GET key", "G / x", "USER anonymous", "SELECT 1"})
        EXPECT_EQ(sniff(text), SONDE_SNIFF_NO) << text;
}

TEST(HttpSniff, EveryPrefixIsPartial) {
    constexpr std::string_view text = "OPTIONS * HTTP/1.1";
    for (std::size_t n = 0; n < 9; ++n) EXPECT_EQ(sniff(text.substr(0, n)), SONDE_SNIFF_PARTIAL) << n;
    EXPECT_EQ(sniff(text.substr(0, 9)), SONDE_SNIFF_YES);
}

TEST(HttpSniff, EmptyLineAtTheEnd) {
    const auto ends = [](std::string_view text) {
        std::array<unsigned char, SONDE_TAIL_BYTES> tail{};
        std::memcpy(tail.data() + tail.size() - text.size(), text.data(), text.size());
        return sonde_ends_with_empty_line(tail.data()) != 0;
    };
    EXPECT_TRUE(ends("a\r\n\r\n"));
    EXPECT_TRUE(ends("a\n\n"));
    EXPECT_FALSE(ends("a\r\n"));
    EXPECT_FALSE(ends("\r\n\r\nb"));
}

TEST(HttpSniff, SequenceNumbersWrap) {
    EXPECT_TRUE(sonde_seq_before(0xfffffff0U, 5));
    EXPECT_FALSE(sonde_seq_before(5, 0xfffffff0U));
    EXPECT_FALSE(sonde_seq_before(7, 7));
}

}  // namespace
