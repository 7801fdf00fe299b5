#include "sinks/net/retry_after.hpp"

#include <gtest/gtest.h>

#include <string>

#include "sinks/net/http_transport.hpp"

namespace sonde {
namespace {

constexpr std::int64_t now_s = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's example

TEST(RetryAfter, Seconds) {
    EXPECT_EQ(parse_retry_after_ms("120", now_s), 120'000);
    EXPECT_EQ(parse_retry_after_ms(" 0\r\n", now_s), 0);
    EXPECT_EQ(parse_retry_after_ms("99999999999999999999999", now_s), 86'400'000);
}

TEST(RetryAfter, TheThreeFormsOfADate) {
    for (const auto* text :
         {"Sun, 06 Nov 1994 08:50:37 GMT", "Sunday, 06-Nov-94 08:50:37 GMT", "Sun Nov  6 08:50:37 1994"})
        EXPECT_EQ(parse_retry_after_ms(text, now_s), 60'000) << text;
    EXPECT_EQ(parse_retry_after_ms("Sun, 06 Nov 1994 08:49:00 GMT", now_s), 0);
    EXPECT_EQ(parse_retry_after_ms("Sun, 06 Nov 2094 08:49:00 GMT", now_s), 86'400'000);
}

TEST(RetryAfter, AnythingElseIsNoWish) {
    for (const auto* text : {"", "  ", "-5", "1.5", "soon", "Monday", "12:00", "+3", "0x10", "10 s"})
        EXPECT_FALSE(parse_retry_after_ms(text, now_s)) << text;
    EXPECT_FALSE(parse_retry_after_ms(std::string(100, 'A') + ":", now_s));
    EXPECT_FALSE(parse_retry_after_ms(std::string_view("Sun\0, 06 Nov 1994 08:50:37 GMT", 30), now_s));
}

SendResult judged(long status, std::string retry_after = {}, std::string body = {}) {
    return judge({.status = status, .retry_after = std::move(retry_after), .body = std::move(body)}, now_s);
}

TEST(Judge, SaysWhatAStatusMeans) {
    using Outcome = SendResult::Outcome;
    for (const long status : {200, 202, 204}) EXPECT_EQ(judged(status).outcome, Outcome::delivered);
    for (const long status : {408, 425, 429, 500, 502, 503, 504, 599})
        EXPECT_EQ(judged(status).outcome, Outcome::unavailable) << status;
    for (const long status : {100, 301, 307, 400, 401, 403, 404, 405, 409, 415, 422, 501, 505})
        EXPECT_EQ(judged(status).outcome, Outcome::rejected) << status;
    EXPECT_EQ(judged(0).outcome, Outcome::unavailable);
    EXPECT_EQ(judged(503, "7").retry_after_ms, 7000);
    EXPECT_FALSE(judged(503).retry_after_ms);
    EXPECT_EQ(judged(400, {}, "bad\r\n\x1b[31mline\xff ").error, "the answer is 400 (bad   [31mline)");
    EXPECT_EQ(judged(413).outcome, Outcome::too_large);
}

}  // namespace
}  // namespace sonde
