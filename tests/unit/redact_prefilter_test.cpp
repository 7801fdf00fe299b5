#include "agent/redact/prefilter.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tests/support/redaction_reference.hpp"

namespace sonde {
namespace {

// What secrets are made of, and what stands around them.
constexpr std::array<std::string_view, 64> pieces{"password",
                                                  "Token",
                                                  "api_key",
                                                  "key",
                                                  "Session",
                                                  "--password",
                                                  "sig=",
                                                  "=",
                                                  ":",
                                                  "\"",
                                                  "'",
                                                  "\\\"",
                                                  " ",
                                                  "  ",
                                                  "-",
                                                  ".",
                                                  ",",
                                                  "/",
                                                  "?",
                                                  "&",
                                                  "%",
                                                  "%40",
                                                  "@",
                                                  "://",
                                                  "<",
                                                  ">",
                                                  "[",
                                                  "]",
                                                  "{",
                                                  "}",
                                                  "\n",
                                                  "\t",
                                                  "\0",
                                                  "4111",
                                                  "1111",
                                                  "41111111",
                                                  "1",
                                                  "0",
                                                  "12",
                                                  "123",
                                                  "1234",
                                                  "555",
                                                  "2026",
                                                  "378282",
                                                  "10005",
                                                  "DE89",
                                                  "GB82WEST",
                                                  "3704",
                                                  "+49",
                                                  "+1",
                                                  "(212)",
                                                  "ann",
                                                  "example.com",
                                                  "Bearer",
                                                  "basic",
                                                  "dXNlcjpodW50ZXIy",
                                                  "eyJhbGci",
                                                  "AKIA",
                                                  "IOSFODNN7EXAMPLE",
                                                  "ghp_",
                                                  "0123456789abcdefghij0123456789abcdef",
                                                  "xoxb-",
                                                  "AIza",
                                                  "-----BEGIN PRIVATE KEY-----"};

class PrefilterTest : public testing::Test {
protected:
    void check(const std::string& text) {
        const auto candidates = scalar_.candidates(text);
        EXPECT_EQ(ssse3_.candidates(text), candidates) << text;
        EXPECT_EQ(best_.candidates(text), candidates) << text;
        EXPECT_EQ(reference_.rules(text) & prefiltered_rules & ~candidates, 0U) << text;
    }
    const Prefilter scalar_{default_prefilter_names(), Isa::scalar};
    const Prefilter ssse3_{default_prefilter_names(), std::min(best_isa(), Isa::ssse3)};
    const Prefilter best_{default_prefilter_names()};
    RedactionReference reference_;
};

TEST_F(PrefilterTest, NeverMissesWhatTheSetMatchFinds) {
    std::mt19937 random(11);
    std::size_t with_rules = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::string text;
        for (auto count = random() % 14; count > 0; --count) text += pieces[random() % pieces.size()];
        check(text);
        with_rules += reference_.rules(text) != 0 ? 1 : 0;
        if (HasFailure()) return;
    }
    EXPECT_GT(with_rules, 20'000U);  // the texts are worth their name
}

// A secret at each offset: over the edges of the blocks and at the end of the text.
TEST_F(PrefilterTest, FindsOverTheEdgesOfBlocks) {
    for (const std::string_view secret :
         {"ann@example.com", "4111 1111 1111 1111", "4111111111111111", "password=hunter2", "GB82WEST12345698765432",
          "DE89 3704 0044 0532 0130 00", "219-09-9999", "+49 30 1234567", "(212) 555-0100", "01 23 45 67 89",
          "01234 567890", "020 7946 0958", "0161 496 0123", "AKIAIOSFODNN7EXAMPLE", "Basic dXNlcjpodW50ZXIy",
          "postgres://app:hunter2@db", "ann%40example.com"}) {
        for (std::size_t offset = 0; offset < 200; ++offset) {
            const auto text = std::string(offset, '.').append(offset > 0 ? " " : "").append(secret);
            ASSERT_NE(reference_.rules(text) & prefiltered_rules, 0U) << text;
            check(text);
        }
    }
}

TEST_F(PrefilterTest, LetsPlainLinesGo) {
    for (const std::string_view line :
         {R"({"time":"2026-01-02T03:04:05.678Z","level":"info","message":"order 71829 placed in 12 ms","status":201})",
          R"(203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] "GET /orders/42 HTTP/1.1" 200 1840 "-" "curl/7.88.1")",
          "2026-01-02 03:04:05,678 INFO  [http-nio-8080-exec-7] c.e.shop.OrderController - loaded 42 rows"})
        EXPECT_EQ(best_.candidates(line), 0U) << line;
}

}  // namespace
}  // namespace sonde
