// The last log lines, and what /api/v1/logs tells of them.
#include "agent/api/logs_api.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

#include "agent/log/message_template.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

class LogsApiTest : public testing::Test {
protected:
    void observe(std::string_view message, Severity severity = Severity::info, LogMatch match = LogMatch::thread,
                 std::uint64_t span_id = 0xabc) {
        LogLine line;
        line.record.raw = line.record.message = line.record.text.add(message);
        line.record.severity = severity;
        line.record.template_hash = MessageTemplate(message).hash();
        line.record.observed_ns = 1'800'000'000 * ns_per_s;
        line.service = "shop";
        line.match = match;
        line.confidence = 1;
        line.request_span_id = is_attached(match) ? span_id : 0;
        store_.observe(line);
    }
    void settle() { store_.advance(++now_ns_ * ns_per_s); }
    json::object ask(std::string_view query) {
        settle();
        Request request;
        request.query = Query::parse(query).value();
        const auto answer = logs_answer(store_, history_, request);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return json::parse(answer.body).as_object();
    }
    std::string messages(std::string_view query) {
        std::string out;
        const auto answer = ask(query);
        for (const auto& line : answer.at("logs").as_array())
            out += (out.empty() ? "" : " ") + std::string(line.as_object().at("message").as_string());
        return out;
    }

    LogStore store_{{.bytes = 64 << 10, .lines_per_s = 100, .errors_per_s = 50}};
    History history_;
    std::uint64_t now_ns_ = 1;
};

TEST_F(LogsApiTest, NewestFirstAndFiltered) {
    observe("one", Severity::info);
    observe("two", Severity::error);
    observe("three", Severity::warn, LogMatch::candidates);
    observe("four", Severity::unknown, LogMatch::none);
    observe("five", Severity::info, LogMatch::trace, 0xdef);
    EXPECT_EQ(messages(""), "five four three two one");
    EXPECT_EQ(messages("level=warn"), "three two");
    EXPECT_EQ(messages("match=attached"), "five two one");
    EXPECT_EQ(messages("match=none"), "four");
    EXPECT_EQ(messages("span_id=0000000000000def"), "five");
    EXPECT_EQ(messages("q=wo"), "two");
    EXPECT_EQ(messages("service=other"), "");
    EXPECT_EQ(messages("limit=2"), "five four");
}

TEST_F(LogsApiTest, ACursorShowsNothingTwiceAndCountsWhatIsGone) {
    observe("one");
    auto answer = ask("after=0-0");
    EXPECT_TRUE(answer["restarted"].as_bool());
    observe("two");
    observe("three");
    const auto next = std::string(answer["next"].as_string());
    answer = ask("after=" + next);
    EXPECT_FALSE(answer["restarted"].as_bool());
    EXPECT_EQ(answer["logs"].as_array().size(), 2U);
    EXPECT_EQ(answer["logs"].as_array()[0].as_object()["message"].as_string(), "two");
    EXPECT_EQ(answer["missed"].to_number<int>(), 0);
    for (int i = 0; i < 150; ++i) observe("many");
    answer = ask("after=" + std::string(answer["next"].as_string()) + "&limit=1000");
    // the second began with the question before: 100 of them were kept
    EXPECT_EQ(answer["logs"].as_array().size(), 100U);
    EXPECT_EQ(answer["missed"].to_number<int>(), 50);
    EXPECT_EQ(store_.not_kept(), 50U);
}

TEST_F(LogsApiTest, ErrorsHaveRoomOfTheirOwnAndMemoryIsBounded) {
    for (int second = 0; second < 50; ++second) {
        for (int i = 0; i < 200; ++i) observe("a flood of it " + std::to_string(i));
        observe("the error", Severity::error);
        settle();
    }
    EXPECT_LE(store_.bytes(), std::size_t{64} << 10);
    EXPECT_GT(store_.evicted(), 0U);
    EXPECT_FALSE(messages("level=error").empty());
}

TEST_F(LogsApiTest, MessagesByNumber) {
    for (int i = 0; i < 7; ++i) observe("order " + std::to_string(i) + " was paid");
    for (int i = 0; i < 3; ++i) observe("cannot reach 10.0.0." + std::to_string(i), Severity::error);
    settle();
    Request request;
    request.query = Query::parse("").value();
    auto answer = json::parse(log_templates_answer(store_, request).body).as_object();
    EXPECT_EQ(answer["lines"].to_number<int>(), 10);
    const auto& templates = answer["templates"].as_array();
    ASSERT_EQ(templates.size(), 2U);
    const auto& first = templates[0].as_object();
    EXPECT_EQ(first.at("count").to_number<int>(), 7);
    EXPECT_EQ(first.at("example").as_string(), "order 6 was paid");
    EXPECT_EQ(templates[1].as_object().at("level").as_string(), "error");
    const auto of_first = ask("template=" + std::string(first.at("template").as_string()));
    EXPECT_EQ(of_first.at("logs").as_array().size(), 7U);
}

TEST_F(LogsApiTest, WrongQuestionsAreRefusedByName) {
    for (const auto* query : {"level=loud", "span_id=xyz", "template=12345678901234567", "limit=0", "colour=red"}) {
        Request request;
        request.query = Query::parse(query).value();
        EXPECT_EQ(logs_answer(store_, history_, request).status, 400) << query;
    }
}

TEST_F(LogsApiTest, HostileBytesStayJson) {
    observe("\x1b[31m\"\\\xff</script>", Severity::error);
    const auto answer = ask("");
    EXPECT_EQ(answer.at("logs").as_array().size(), 1U);
}

}  // namespace
}  // namespace sonde
