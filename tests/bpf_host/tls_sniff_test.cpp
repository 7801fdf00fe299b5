#include "bpf/shared/tls_sniff.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string_view>

namespace {

sonde_tls_sniff sniff(std::string_view bytes) {
    std::array<__u8, SONDE_TLS_SNIFF_BYTES> first{};
    std::memcpy(first.data(), bytes.data(), std::min(bytes.size(), first.size()));
    return sonde_sniff_tls(first.data(), static_cast<__u32>(bytes.size()));
}

TEST(TlsSniff, KnowsAClientHelloOfEveryVersion) {
    using std::string_view_literals::operator""sv;
    EXPECT_EQ(sniff("\x16\x03\x01\x02\x00\x01"sv), SONDE_TLS_HELLO);
    EXPECT_EQ(sniff("\x16\x03\x00\x00\x80\x01"sv), SONDE_TLS_HELLO);
    EXPECT_EQ(sniff("\x16\x03\x03\x07\x10\x01"sv), SONDE_TLS_HELLO);
}

TEST(TlsSniff, KnowsAConnectionThatIsOlderThanTheLook) {
    using std::string_view_literals::operator""sv;
    EXPECT_EQ(sniff("\x17\x03\x03\x01\x00\x55"sv), SONDE_TLS_MIDDLE);
    EXPECT_EQ(sniff("\x17\x03\x03\x00\x10\x55"sv), SONDE_TLS_NO);  // too short for an authentication tag
}

TEST(TlsSniff, TakesNothingElseForTls) {
    using std::string_view_literals::operator""sv;
    EXPECT_EQ(sniff("\x16\x03\x01\x02\x00"sv), SONDE_TLS_NO);      // one byte short
    EXPECT_EQ(sniff("\x16\x03\x03\x00\x7a\x02"sv), SONDE_TLS_NO);  // ServerHello
    EXPECT_EQ(sniff("\x16\x03\x01\xff\xff\x01"sv), SONDE_TLS_NO);
    EXPECT_EQ(sniff("\x16\x04\x01\x02\x00\x01"sv), SONDE_TLS_NO);
    EXPECT_EQ(sniff("\x15\x03\x03\x00\x02\x01"sv), SONDE_TLS_NO);  // alert
    EXPECT_EQ(sniff("GET / HTTP/1.1"sv), SONDE_TLS_NO);
    EXPECT_EQ(sniff(""sv), SONDE_TLS_NO);
}

}  // namespace
