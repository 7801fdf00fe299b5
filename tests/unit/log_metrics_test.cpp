#include "agent/log/log_metrics.hpp"

#include <gtest/gtest.h>

#include "agent/log/line_parser.hpp"

namespace sonde {
namespace {

double total(const prometheus::MetricFamily& family) {
    double sum = 0;
    for (const auto& metric : family.metric) sum += metric.counter.value;
    return sum;
}

TEST(LogMetrics, EveryRecordIsCountedOnceWithinTheBound) {
    LogMetrics metrics({.series_max = 20, .templates_max = 8, .redact = {}});
    LineParser parser;
    LogRecord record;
    for (int i = 0; i < 1000; ++i) {
        parser.parse("ERROR:logger" + std::to_string(i % 100) + ":order " + std::to_string(i) + " failed", 1, record);
        metrics.add(record);
    }
    const auto families = metrics.Collect();
    EXPECT_LE(families[0].metric.size(), 20U);
    EXPECT_EQ(total(families[0]), 1000);
    ASSERT_EQ(families[1].metric.size(), 1U);
    EXPECT_EQ(families[1].metric[0].counter.value, 1000);
    EXPECT_EQ(families[1].metric[0].label[1].value, "order <*> failed");
}

TEST(LogMetrics, FrequentErrorsStayAndAreNeverOvercounted) {
    LogMetrics metrics({.series_max = 64, .templates_max = 4, .redact = [](std::string_view) { return "masked"; }});
    LineParser parser;
    LogRecord record;
    for (int i = 0; i < 400; ++i) {
        parser.parse("level=error msg=\"frequent failure\"", 1, record);
        metrics.add(record);
        const std::string letters{static_cast<char>('a' + i % 26), static_cast<char>('a' + i / 26)};
        parser.parse("level=error msg=\"rare " + letters + " failure\"", 1, record);
        metrics.add(record);
    }
    const auto families = metrics.Collect();
    EXPECT_EQ(families[1].metric.size(), 4U);
    double most = 0;
    for (const auto& metric : families[1].metric) most = std::max(most, metric.counter.value);
    EXPECT_EQ(most, 400);
    EXPECT_EQ(families[1].metric[0].label[1].value, "masked");
}

}  // namespace
}  // namespace sonde
