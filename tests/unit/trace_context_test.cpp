#include "agent/protocol/trace_context.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sonde {
namespace {

constexpr std::string_view trace = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr std::string_view span = "00f067aa0ba902b7";

TraceContext from(std::initializer_list<std::pair<std::string_view, std::string_view>> headers) {
    TraceHeaders taken;
    for (const auto& [name, value] : headers) EXPECT_TRUE(taken.take(name, value)) << name;
    return trace_context(taken);
}

TEST(TraceContext, Traceparent) {
    const auto t = from({{"TraceParent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}});
    EXPECT_EQ(t.trace_id.view(), trace);
    EXPECT_EQ(t.parent_span_id.view(), span);
    EXPECT_EQ(from({{"traceparent", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"}}).trace_id.view(),
              trace);
}

TEST(TraceContext, WhatIsNoTraceparent) {
    for (const std::string_view bad : {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                                       "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                       "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                                       "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                       "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
                                       "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
                                       "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", "00", "",
                                       "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01"})
        EXPECT_TRUE(from({{"traceparent", bad}}).trace_id.empty()) << bad;
    EXPECT_TRUE(from({{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
                      {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01"}})
                    .trace_id.empty());
}

TEST(TraceContext, B3) {
    for (const auto& t : {from({{"b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1-05e3ac9a4f6e3b90"}}),
                          from({{"b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"}}),
                          from({{"X-B3-TraceId", trace}, {"X-B3-SpanId", span}})}) {
        EXPECT_EQ(t.trace_id.view(), trace);
        EXPECT_EQ(t.parent_span_id.view(), span);
    }
    EXPECT_EQ(from({{"X-B3-TraceId", span}, {"X-B3-SpanId", span}}).trace_id.view(),
              "0000000000000000" + std::string(span));
    EXPECT_TRUE(from({{"b3", "0"}}).trace_id.empty());
    EXPECT_TRUE(from({{"X-B3-TraceId", trace}}).trace_id.empty());
}

TEST(TraceContext, AmazonAndPlainIds) {
    const auto t =
        from({{"X-Amzn-Trace-Id", "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1"}});
    EXPECT_EQ(t.trace_id.view(), trace);
    EXPECT_EQ(t.parent_span_id.view(), span);
    EXPECT_TRUE(from({{"X-Amzn-Trace-Id", "Root=1-4bf92f3577b34da6a3ce929d0e0e4736"}}).trace_id.empty());
    EXPECT_EQ(from({{"X-Trace-Id", trace}}).trace_id.view(), trace);
    EXPECT_EQ(from({{"X-Trace-Id", "abc-1"}}).request_id.view(), "abc-1");
}

TEST(TraceContext, OtherNamesOfHeaders) {
    const auto names = TraceHeaderNames{{"My-Trace", "x-trace-id"}, {"My-Request"}}.in_lower_case();
    const auto with = [&](std::initializer_list<std::pair<std::string_view, std::string_view>> headers) {
        TraceHeaders taken(names);
        for (const auto& [name, value] : headers) taken.take(name, value);
        return trace_context(taken);
    };
    EXPECT_EQ(with({{"my-trace", trace}}).trace_id.view(), trace);
    EXPECT_EQ(with({{"X-Trace-Id", "0123456789abcdef"}, {"MY-TRACE", trace}}).trace_id.view(), trace);
    EXPECT_EQ(with({{"My-Trace", "no id"}, {"X-Trace-Id", trace}}).trace_id.view(), trace);
    EXPECT_EQ(with({{"My-Request", "r-1"}, {"X-Request-ID", "r-2"}}).request_id.view(), "r-1");
    EXPECT_TRUE(with({{"X-Request-ID", "r-2"}}).request_id.empty());
}

TEST(TraceContext, RequestIdGoesBeforeCorrelationId) {
    EXPECT_EQ(from({{"X-Correlation-ID", "c"}, {"X-Request-ID", "r"}}).request_id.view(), "r");
    EXPECT_EQ(from({{"X-Correlation-ID", "c"}}).request_id.view(), "c");
    EXPECT_TRUE(from({{"X-Request-ID", "a b"}}).request_id.empty());
    TraceHeaders none;
    EXPECT_FALSE(none.take("X-Request", "r"));
}

}  // namespace
}  // namespace sonde
