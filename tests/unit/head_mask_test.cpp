#include "agent/redact/head_mask.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "agent/protocol/http1_parser.hpp"

namespace sonde {
namespace {

std::string masked(std::string text, bool continued = false) {
    mask_head(text, continued);
    return text;
}

TEST(HeadMask, NoSecretSurvivesAndTheFramingDoes) {
    const std::string text =
        "POST http://me:hunter2@shop/pay?card=hunter2#hunter2 HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer "
        "hunter2\r\n"
        "cookie: a=hunter2\r\nX-Api-Key: hunter2\r\nX-Folded: a\r\n hunter2\r\nContent-Length: 7\r\n\r\nhunter2";
    const auto safe = masked(text);
    EXPECT_EQ(safe.size(), text.size());
    EXPECT_EQ(safe.find("hunter2"), std::string::npos) << safe;
    const auto before = parse_request_head(text, {});
    const auto after = parse_request_head(safe, {});
    EXPECT_EQ(after.state, ParseState::done);
    EXPECT_EQ(after.consumed, before.consumed);
    EXPECT_EQ(after.content_length, 7U);
    EXPECT_EQ(after.path, "/pay");
    EXPECT_EQ(after.host, "shop");
}

TEST(HeadMask, EveryCutIsMasked) {
    const std::string text = "GET /x?hunter2 HTTP/1.1\r\nCookie: hunter2\r\nAccept: hunter2\r\n\r\nhunter2";
    for (std::size_t n = 0; n <= text.size(); ++n)
        EXPECT_EQ(masked(text.substr(0, n)).find("hunter"), std::string::npos) << n;
}

TEST(HeadMask, ASpaceBeforeTheColonHidesNoFraming) {
    EXPECT_EQ(masked("POST / HTTP/1.1\r\nContent-Length \t: 7\r\nCookie : a\r\n\r\n"),
              "POST / HTTP/1.1\r\nContent-Length \t: 7\r\nCookie :**\r\n\r\n");
}

TEST(HeadMask, AContinuationKeepsLineEndsOnly) {
    EXPECT_EQ(masked("Cookie: a\r\nX: b\r\n\r\nc", true), "*********\r\n****\r\n\r\n*");
}

TEST(HeadMask, AResponseKeepsItsStatus) {
    EXPECT_EQ(masked("HTTP/1.1 200 OK\r\nSet-Cookie: id=1\r\nContent-Length: 3\r\n\r\nabc"),
              "HTTP/1.1 200 OK\r\nSet-Cookie:*****\r\nContent-Length: 3\r\n\r\n***");
}

}  // namespace
}  // namespace sonde
