#include "sinks/delivery/split_body.hpp"

#include <gtest/gtest.h>
#include <snappy.h>

#include <mutex>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <set>

#include "sinks/make_sink.hpp"
#include "tests/support/http_receiver.hpp"
#include "tests/support/otlp_schema.hpp"
#include "tests/support/records.hpp"

namespace sonde {
namespace {

using Texts = std::vector<std::string>;

// All records of a body, by halving it until nothing can be halved.
template <typename Split>
Texts singles(const std::string& body, Split split) {
    const auto halves = split(body);
    if (!halves) return {body};
    auto out = singles(halves->first.body, split);
    EXPECT_EQ(out.size(), halves->first.records);
    const auto more = singles(halves->second.body, split);
    EXPECT_EQ(more.size(), halves->second.records);
    out.insert(out.end(), more.begin(), more.end());
    return out;
}

TEST(SplitBody, LinesAndLists) {
    EXPECT_EQ(singles("a\nb\nc\n", split_lines), (Texts{"a\n", "b\n", "c\n"}));
    const auto list = [](std::string_view body) { return split_json(body, {}); };
    EXPECT_EQ(singles(R"([{"a":1.0},[2,"]"],"\"]"])", list), (Texts{R"([{"a":1.0}])", R"([[2,"]"]])", R"(["\"]"])"}));
}

TEST(SplitBody, NestedJsonKeepsWhatStandsAround) {
    const auto split = [](std::string_view body) { return split_json(body, {{"a"}, {"x", "y"}, {"items"}}); };
    const std::string body = R"({"v":1,"a":[{"n":"{","x":{"items":[1,2],"t":2}},{"n":"m","y":{"t":3,"items":[3]}}]})";
    EXPECT_EQ(singles(body, split), (Texts{R"({"v":1,"a":[{"n":"{","x":{"items":[1],"t":2}}]})",
                                           R"({"v":1,"a":[{"n":"{","x":{"items":[2],"t":2}}]})",
                                           R"({"v":1,"a":[{"n":"m","y":{"t":3,"items":[3]}}]})"}));
}

TEST(SplitBody, WhatCannotBeReadIsNotDivided) {
    const auto split = [](std::string_view body) { return split_json(body, {{"a"}, {"b"}}); };
    for (const auto* body :
         {"", "[", "[]", "{}", "[1]", R"({"a":[{"b":[1,2]}]}x)", R"({"a":[{"b":[1,2]})", R"({"a":"b"})",
          R"({"a":[{"b":[1,2)", R"({"a":[{"b":["1,2]}]})", R"({"a":[1,2]})", "\\", R"({"a)"})
        EXPECT_FALSE(split(body)) << body;
    EXPECT_FALSE(split_json("[1", {}));
    EXPECT_FALSE(split_json("[,]", {}));
    EXPECT_FALSE(split_lines("one\n"));
    EXPECT_FALSE(split_protobuf("<html>", {2}));
    EXPECT_FALSE(split_snappy("<html>", split_lines));
}

TEST(SplitBody, ProtobufKeepsWhatStandsAround) {
    std::string body;
    {
        protozero::pbf_writer out(body);
        out.add_uint32(9, 7);
        for (int group = 0; group < 3; ++group) {
            protozero::pbf_writer inner(out, 1);
            inner.add_string(1, "g" + std::to_string(group));
            for (int item = 0; item < 2; ++item)
                inner.add_string(2, std::to_string(group) + "." + std::to_string(item));
            inner.add_double(3, 0.5);
            inner.add_fixed32(4, 4);
        }
    }
    const auto split = [](std::string_view plain) { return split_protobuf(plain, {1U << 1, 1U << 2}); };
    Texts seen;
    for (const auto& part : singles(body, split)) {
        protozero::pbf_reader in(part);
        ASSERT_TRUE(in.next(9));
        EXPECT_EQ(in.get_uint32(), 7);
        ASSERT_TRUE(in.next(1));
        auto inner = in.get_message();
        std::string text;
        while (inner.next()) {
            if (inner.tag() <= 2)
                text += inner.get_string() + " ";
            else if (inner.tag() == 3)
                EXPECT_EQ(inner.get_double(), 0.5);
            else
                EXPECT_EQ(inner.get_fixed32(), 4);
        }
        seen.push_back(text);
        EXPECT_FALSE(in.next());
    }
    EXPECT_EQ(seen, (Texts{"g0 0.0 ", "g0 0.1 ", "g1 1.0 ", "g1 1.1 ", "g2 2.0 ", "g2 2.1 "}));
    std::string packed;
    snappy::Compress(body.data(), body.size(), &packed);
    EXPECT_EQ(singles(packed, [&](std::string_view whole) { return split_snappy(whole, split); }).size(), 6);
}

// A real encoder's bodies, and a destination that takes only small ones: what it took and what was dropped add up.
struct Kind {
    const char* name;
    SinkType type;
    bool is_json;
};
class TooLargeTest : public testing::TestWithParam<Kind> {};

TEST_P(TooLargeTest, EveryRecordArrivesOrIsCounted) {
    const auto& kind = GetParam();
    SinkOptions options;
    options.type = kind.type;
    options.batch = {.records = 64, .bytes = 1 << 20, .time_ms = 20};
    options.otlp = {.format = kind.is_json ? OtlpFormat::json : OtlpFormat::protobuf, .gzip = false};
    options.loki.format = kind.is_json ? LokiFormat::json : LokiFormat::protobuf;
    options.webhook.form = kind.is_json ? JsonBatch::array : JsonBatch::lines;
    // the size of the request's paths is what decides, not what a protocol adds to them
    const std::string mark = "too-large-for-this-one";
    const HttpReceiver receiver([&](const ReceivedRequest& request) {
        std::string plain = request.body;
        if (kind.type == SinkType::loki && !kind.is_json)
            snappy::Uncompress(request.body.data(), request.body.size(), &plain);
        std::size_t records = 0;
        for (auto at = plain.find("/orders/1"); at != std::string::npos; at = plain.find("/orders/1", at + 1))
            ++records;
        return ReceiverAnswer{.status = records > 3 || plain.find(mark) != std::string::npos ? 413 : 200};
    });
    options.http.url = receiver.url();
    auto delivery = make_delivery(options);
    ASSERT_TRUE(delivery) << delivery.error().message();
    constexpr std::uint64_t count = 50;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto transaction = sample_transaction(i);
        transaction.path.assign("/orders/1");
        if (i == 20) transaction.user_agent.assign(mark);
        (*delivery)->offer(transaction);
    }
    ASSERT_TRUE(eventually([&] {
        const auto stats = (*delivery)->stats().sink.exported;
        return stats.delivered + stats.dropped_total() == count;
    }));
    (*delivery)->stop();
    auto stats = (*delivery)->stats().sink.exported;
    EXPECT_TRUE(adds_up(stats));
    EXPECT_EQ(stats.dropped_for(DropReason::rejected), 1);
    EXPECT_EQ(stats.delivered, count - 1);
}

// Data points share the metric they belong to, and it stands in both halves.
TEST(TooLarge, AMetricIsDividedByItsPoints) {
    for (const auto format : {OtlpFormat::protobuf, OtlpFormat::json}) {
        std::mutex mutex;
        std::multiset<std::string> taken;
        const HttpReceiver receiver([&](const ReceivedRequest& request) {
            const auto body = read_otlp("MetricsRequest", format == OtlpFormat::json, request.body);
            std::vector<std::string> sides;
            for (const auto& group : body.at("resourceMetrics").as_array())
                for (const auto& metric : group.at("scopeMetrics").at(0).at("metrics").as_array()) {
                    EXPECT_EQ(metric.at("name").as_string(), "seen_total");
                    EXPECT_TRUE(metric.at("sum").at("isMonotonic").as_bool());
                    for (const auto& point : metric.at("sum").at("dataPoints").as_array())
                        sides.push_back(otlp_attributes(point.at("attributes")).at("side"));
                }
            if (sides.size() > 3) return ReceiverAnswer{.status = 413};
            const std::lock_guard lock(mutex);
            taken.insert(sides.begin(), sides.end());
            return ReceiverAnswer{};
        });
        SinkOptions options;
        options.type = SinkType::otlp;
        options.http.url = receiver.url();
        options.otlp = {.format = format, .gzip = false, .signals = {"metrics"}, .interval_ms = 3'600'000};
        const auto collect = [] {
            prometheus::MetricFamily family{"seen_total", "", prometheus::MetricType::Counter, {}};
            for (int i = 0; i < 20; ++i) family.metric.emplace_back().label = {{"side", std::to_string(i)}};
            return std::vector{family};
        };
        auto delivery = make_delivery(options, {.collect = collect});
        ASSERT_TRUE(delivery) << delivery.error().message();
        ASSERT_TRUE(eventually([&] { return (*delivery)->stats().sink.exported.delivered == 20; }));
        (*delivery)->stop();
        EXPECT_TRUE(adds_up((*delivery)->stats().sink.exported));
        EXPECT_EQ((*delivery)->stats().sink.exported.dropped_total(), 0);
        EXPECT_EQ(taken.size(), 20);
        EXPECT_EQ(std::set<std::string>(taken.begin(), taken.end()).size(), 20);
    }
}

INSTANTIATE_TEST_SUITE_P(Kinds, TooLargeTest,
                         testing::Values(Kind{"otlp", SinkType::otlp, false}, Kind{"otlp_json", SinkType::otlp, true},
                                         Kind{"loki", SinkType::loki, false}, Kind{"array", SinkType::http, true},
                                         Kind{"lines", SinkType::http, false}),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace sonde
