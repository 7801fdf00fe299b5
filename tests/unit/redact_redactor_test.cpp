#include "agent/redact/redactor.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace sonde {
namespace {

std::shared_ptr<const RedactionPolicy> policy_of(const RedactionConfig& config) {
    auto policy = RedactionPolicy::build(config);
    EXPECT_TRUE(policy) << policy.error().message();
    return *policy;
}

class RedactorTest : public testing::Test {
protected:
    Redactor redactor_{RedactionPolicy::defaults()};
    std::string text(std::string_view input) { return std::string(redactor_.text(input, Place::message).text); }
    std::string query(std::string_view input) { return std::string(redactor_.query(input).text); }
    std::string path(std::string_view input) { return std::string(redactor_.path(input).text); }
};

TEST_F(RedactorTest, Patterns) {
    EXPECT_EQ(text("mail to ann.b@example.co.uk now"), "mail to [redacted:email] now");
    EXPECT_EQ(text("paid with 4111 1111 1111 1111."), "paid with [redacted:credit_card].");
    EXPECT_EQ(text("2026-01-02 4111111111111111"), "2026-01-02 [redacted:credit_card]");
    EXPECT_EQ(text("amex 3782-822463-10005"), "amex [redacted:credit_card]");
    EXPECT_EQ(text("to DE89 3704 0044 0532 0130 00, thanks"), "to [redacted:iban], thanks");
    EXPECT_EQ(text("GB82WEST12345698765432"), "[redacted:iban]");
    EXPECT_EQ(text("ssn is 219-09-9999 ok"), "ssn is [redacted:us_ssn] ok");
    EXPECT_EQ(text("call +49 30 1234567 or (212) 555-0100 or 212-555-0100"),
              "call [redacted:phone] or [redacted:phone] or [redacted:phone]");
    EXPECT_EQ(text("appelez 01 23 45 67 89"), "appelez [redacted:phone]");
    EXPECT_EQ(text("x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln-_ y"), "x [redacted:jwt] y");
    EXPECT_EQ(text("got Bearer abcDEF123456789 from"), "got Bearer [redacted:bearer] from");
    EXPECT_EQ(text("Basic dXNlcjpodW50ZXIy"), "Basic [redacted:basic_auth]");
    EXPECT_EQ(text("postgres://app:hunter2@db:5432/x"), "postgres://app:[redacted:url_password]@db:5432/x");
    EXPECT_EQ(text("key AKIAIOSFODNN7EXAMPLE!"), "key [redacted:aws_key]!");
    EXPECT_EQ(text("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest"),
              "[redacted:private_key_block]\nrest");
}

TEST_F(RedactorTest, NamedValues) {
    EXPECT_EQ(text("login user=bob password=hunter2 ok"), "login user=bob password=[redacted:password] ok");
    EXPECT_EQ(text(R"({"user":"bob","dbPassword":"hun\"ter2","n":1})"),
              R"({"user":"bob","dbPassword":"[redacted:password]","n":1})");
    EXPECT_EQ(text(R"({"message":"{\"token\":\"hunter2\",\"x\":1}"})"),
              R"({"message":"{\"token\":\"[redacted:token]\",\"x\":1}"})");
    EXPECT_EQ(text("{'secret': 'hunter2'}"), "{'secret': '[redacted:secret]'}");
    EXPECT_EQ(text("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG"), "AWS_SECRET_ACCESS_KEY=[redacted:access_key]");
    EXPECT_EQ(text("run --password hunter2 --verbose"), "run --password [redacted:password] --verbose");
    EXPECT_EQ(text("<password>hunter2</password>"), "<password>[redacted:password]</password>");
    EXPECT_EQ(text("Authorization: Digest username=hunter2, x"), "Authorization: [redacted:authorization]");
    EXPECT_EQ(text(R"({"passwords":["hunter2","hunter3"],"n":1})"), R"({"passwords":"[redacted:password]","n":1})");
    EXPECT_EQ(text("user[password]=hunter2&x=1"), "user[password]=[redacted:password]&x=1");
}

TEST_F(RedactorTest, JsonStaysJson) {
    EXPECT_EQ(text(R"({"ssn": 219099999,"n":1})"), R"({"ssn": "[redacted:ssn]","n":1})");
    EXPECT_EQ(text(R"({"card":4111111111111111})"), R"({"card":"[redacted:credit_card]"})");
    EXPECT_EQ(text(R"({"m":"{\"otp\":123456}"})"), R"({"m":"{\"otp\":\"[redacted:otp]\"}"})");
    EXPECT_EQ(text(R"({"password":null,"token":true,"secret":""})"), R"({"password":null,"token":true,"secret":""})");
}

TEST_F(RedactorTest, ProseAndNumbersStay) {
    for (const auto* plain :
         {"order 4111111111111112 shipped", "release 1.2.3.4", "9b2f6c1e-1234-4123-8123-123456789012",
          "max_tokens=4096 token_count=12 tokens: 17", "session opened for user root", "unexpected token: '}'",
          "secretary=Bob author=Ann monkey=banana keyboard: us", "Session::open secret://x",
          "bearer authentication failed", "basic authentication required", "2026-11-21 07:27:44.123456",
          "[10/Oct/2000:13:55:36 +0200] 127.0.0.1", "http://host:8080/path?email=1",
          "password_reset=true session_timeout=30", "epoch 1763710064123456789", "AA11 no iban",
          "ssh 000-12-3456 666-12-3456", "GET /api/v1/sessions HTTP/1.1 200", "std::string a::b"})
        EXPECT_EQ(text(plain), plain);
}

TEST_F(RedactorTest, AgainChangesNothing) {
    const auto once = text("a@b.com password=hunter2 \"token\":\"abc\" Authorization: Basic x 4111111111111111");
    EXPECT_EQ(text(once), once);
}

TEST_F(RedactorTest, QueriesByNameAndByDecodedValue) {
    EXPECT_EQ(query("page=2&token=abc"), "page=2&token=[redacted:token]");
    EXPECT_EQ(query("pass%77ord=abc&x=1"), "pass%77ord=[redacted:password]&x=1");
    EXPECT_EQ(query("card=4111+1111+1111+1111&x=1"), "card=[redacted:credit_card]&x=1");
    EXPECT_EQ(query("to=ann%40example.com"), "to=[redacted:email]");
    EXPECT_EQ(query("q=a+b&n=%20"), "q=a+b&n=%20");
    EXPECT_EQ(query("=&&=x&"), "=&&=x&");
}

TEST_F(RedactorTest, PathsBySegment) {
    EXPECT_EQ(path("/users/ann@example.com/x"), "/users/[redacted:email]/x");
    EXPECT_EQ(path("/users/ann%2Eb%40example.com/x"), "/users/[redacted:email]/x");
    EXPECT_EQ(path("/reset-token/9f86d081884c7d659a2f/x"), "/reset-token/[redacted:path_token]/x");
    EXPECT_EQ(path("/commits/9f86d081884c7d659a2f"), "/commits/9f86d081884c7d659a2f");
    EXPECT_EQ(path("/a;jsessionid=0123ABCD"), "/a;jsessionid=[redacted:session_id]");
    EXPECT_EQ(path("/a?token=abc&b=1"), "/a?token=[redacted:token]&b=1");
    EXPECT_EQ(path("/pay/4111-1111-1111-1111"), "/pay/[redacted:credit_card]");
    EXPECT_EQ(path("/token/refresh"), "/token/refresh");
}

TEST_F(RedactorTest, HeadersAndFields) {
    EXPECT_EQ(redactor_.header("aUTHorization", "x").text, "[redacted:header]");
    EXPECT_EQ(redactor_.header("X-Session-Token", "abc").text, "[redacted:session]");
    EXPECT_EQ(redactor_.header("Accept", "text/html").verdict, Verdict::unchanged);
    EXPECT_EQ(redactor_.field("user.apiKey", "abc").text, "[redacted:api_key]");
    EXPECT_EQ(redactor_.field("max_tokens", "4096").verdict, Verdict::unchanged);
    EXPECT_EQ(redactor_.field("note", "a@b.com").text, "[redacted:email]");
    EXPECT_EQ(redactor_.count(static_cast<std::size_t>(Builtin::email), Place::field), 1U);
    EXPECT_EQ(redactor_.count(RedactionPolicy::header_rule, Place::header), 1U);
}

TEST_F(RedactorTest, BinaryAndHugeTextsTakeLinearTime) {
    std::mt19937_64 random(1);
    std::string binary(1 << 18, '\0');
    for (auto& c : binary) c = static_cast<char>(random());
    const auto size = redactor_.text(binary, Place::message).text.size();
    EXPECT_GT(size, binary.size() / 2);
    // each repeats what an expression begins with: a quadratic search would take minutes
    for (const std::string_view piece :
         {"key:",  "key=\"",     "\"key\":[",  "a@",         "a@b.c1",
          "1 ",    "AA11",       "+1",         "eyJ",        "://",
          "a://:", "basic ",     "token ",     "bearer ",    "-----BEGIN RSA PRIVATE KEY-----",
          "sig=",  "key=\\\"",   "password",   "--password", "\"\"\"",
          "%40",   "x%40y.z%40", "password:[", "1:",         "::",
          "4111 ", "xoxb-",      "/token/"}) {
        std::string text;
        while (text.size() < 1 << 18) text += piece;
        redactor_.text(text, Place::message);
        redactor_.path(text);
        redactor_.query(text);
    }
}

TEST(RedactionActions, EachDoesWhatItSays) {
    const auto directory = std::filesystem::temp_directory_path() / "sonde-redact-test";
    std::filesystem::create_directories(directory);
    const auto key = (directory / "key").string();
    std::ofstream(key) << "0123456789abcdef0123456789abcdef\n";
    std::filesystem::permissions(key, std::filesystem::perms::owner_read);
    Redactor redactor(policy_of({.actions = {{"credit_card", RedactAction::partial},
                                             {"email", RedactAction::hash},
                                             {"us_ssn", RedactAction::drop_field},
                                             {"private_key_block", RedactAction::drop_record},
                                             {"phone", RedactAction::off}},
                                 .hash_key_file = key}));
    const auto text = [&](std::string_view t) { return redactor.text(t, Place::message); };
    EXPECT_EQ(text("c 4111111111111111").text, "c ****1111");
    const std::string hashed(text("a@b.com").text);
    EXPECT_EQ(hashed.size(), 23U);
    EXPECT_TRUE(hashed.starts_with("[hash:"));
    EXPECT_EQ(text("x a@b.com").text, "x " + hashed);
    EXPECT_NE(text("c@b.com").text, hashed);
    EXPECT_EQ(text("s 219-09-9999").verdict, Verdict::drop_field);
    EXPECT_EQ(text("219-09-9999 -----BEGIN PRIVATE KEY-----").verdict, Verdict::drop_record);
    EXPECT_EQ(text("+49 30 1234567").verdict, Verdict::unchanged);
    std::filesystem::remove_all(directory);
}

TEST(RedactionPolicies, CustomPatternsAndAllowLists) {
    Redactor redactor(policy_of({.patterns = {{"badge", "badge-[0-9]+", RedactAction::mask}},
                                 .allow_values = {R"([a-z]+@example\.com)"},
                                 .allow_names = {"Session_Kind"}}));
    EXPECT_EQ(redactor.text("badge-17 a@example.com b@other.com", Place::message).text,
              "[redacted:badge] a@example.com [redacted:email]");
    EXPECT_EQ(redactor.text("session_kind=web", Place::message).verdict, Verdict::unchanged);
    EXPECT_EQ(redactor.field("session_kind", "web").verdict, Verdict::unchanged);
}

TEST(RedactionPolicies, BadOnesAreRefusedWithNameAndReason) {
    const auto refused = [](const RedactionConfig& config, std::string_view rule, std::string_view reason) {
        const auto policy = RedactionPolicy::build(config);
        ASSERT_FALSE(policy);
        EXPECT_NE(policy.error().message().find("'" + std::string(rule) + "'"), std::string::npos)
            << policy.error().message();
        EXPECT_NE(policy.error().message().find(reason), std::string::npos) << policy.error().message();
        EXPECT_EQ(policy.error().kind, ErrorKind::usage);
    };
    refused({.patterns = {{"bad", "a(b"}}}, "bad", "no RE2 expression");
    refused({.patterns = {{"empty", "a*"}}}, "empty", "empty text");
    refused({.patterns = {{"Bad Name", "a"}}}, "Bad Name", "lower case");
    refused({.patterns = {{"email", "a"}}}, "email", "two rules");
    refused({.actions = {{"emial", RedactAction::off}}}, "emial", "no rule");
    refused({.actions = {{"email", RedactAction::hash}}}, "email", "hash_key_file");
    refused({.names = {{"pw"}}}, "pw", "three letters");
    refused({.allow_values = {"("}}, "allow_values", "no RE2 expression");
    refused({.hash_key_file = "/nonexistent/key"}, "hash_key_file", "No such file");
}

}  // namespace
}  // namespace sonde
