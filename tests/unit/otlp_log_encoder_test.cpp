#include "sinks/otlp/log_encoder.hpp"

#include <gtest/gtest.h>

#include "sinks/otlp/otlp_ids.hpp"
#include "tests/support/otlp_schema.hpp"
#include "tests/support/records.hpp"

namespace sonde {
namespace {

namespace json = boost::json;
using Attributes = std::map<std::string, std::string>;

class OtlpLogEncoderTest : public testing::TestWithParam<OtlpFormat> {
protected:
    json::array take() {
        const auto request = read_otlp("LogsRequest", GetParam() == OtlpFormat::json, encoder_.take());
        return request.at("resourceLogs").as_array();
    }
    // Of one resource with one record.
    json::object taken_record() {
        const auto resources = take();
        EXPECT_EQ(resources.size(), 1);
        const auto& records = resources.at(0).at("scopeLogs").at(0).at("logRecords").as_array();
        EXPECT_EQ(records.size(), 1);
        return records.at(0).as_object();
    }
    LogEncoder encoder_{{.format = GetParam(), .gzip = false, .resource = {{"host.name", "n1"}}}, "1.2.3"};
};

// With every field that has a place in OTLP.
std::shared_ptr<LogLine> full_line() {
    auto line = std::make_shared<LogLine>();
    auto& record = line->record;
    record.time_ns = 1'700'000'000'123'456'789;
    record.observed_ns = 1'700'000'000'200'000'000;
    record.severity = Severity::warn;
    record.severity_text = "WARNING";
    record.format = LogFormat::json;
    record.logger = "shop.cart";
    record.message = "slow \"cart\"\n";
    record.thread = "MainThread";
    record.request_id.assign("r-1");
    record.trace_id.assign("ffffffffffffffffffffffffffffffff");  // the request knows better
    record.exception = {"KeyError", "'x'", "Traceback …"};
    record.source.stream = LogStream::err;
    record.source.pid = 211;
    record.source.tid = 214;
    record.source.path = "/var/log/shop.log";
    record.source.container_id = "c0ffee";
    record.add_attribute("user", "ann");
    record.add_attribute("items", "3", AttributeType::number);
    record.add_attribute("ratio", "0.5", AttributeType::number);
    record.add_attribute("huge", "123456789012345678901234567890x", AttributeType::number);
    record.add_attribute("ok", "true", AttributeType::boolean);
    record.add_attribute("nothing", "null", AttributeType::null);
    record.add_attribute("user", "bob");                  // twice
    record.add_attribute("thread.name", "not this one");  // told already
    line->service = "shop";
    line->match = LogMatch::thread;
    line->confidence = 0.75F;
    line->request_span_id = 0x1122334455667788;
    line->request_method.assign("GET");
    line->request_trace_id.assign("4bf92f3577b34da6a3ce929d0e0e4736");
    return line;
}

TEST_P(OtlpLogEncoderTest, ALineHasEveryField) {
    ASSERT_TRUE(encoder_.add(LogLinePtr(full_line())));
    EXPECT_GT(encoder_.bytes(), 300);
    const auto resources = take();
    EXPECT_EQ(encoder_.bytes(), 0);
    ASSERT_EQ(resources.size(), 1);
    EXPECT_EQ(otlp_attributes(resources[0].at("resource").at("attributes")),
              (Attributes{{"service.name", "s:shop"},
                          {"process.pid", "i:211"},
                          {"container.id", "s:c0ffee"},
                          {"host.name", "s:n1"},
                          {"telemetry.sdk.name", "s:sonde"},
                          {"telemetry.sdk.language", "s:cpp"},
                          {"telemetry.sdk.version", "s:1.2.3"}}));
    const auto& scope_logs = resources[0].at("scopeLogs").at(0);
    EXPECT_EQ(scope_logs.at("scope"), (json::value{{"name", "sonde"}, {"version", "1.2.3"}}));
    auto record = scope_logs.at("logRecords").at(0).as_object();
    EXPECT_EQ(otlp_attributes(record.at("attributes")), (Attributes{{"log.file.path", "s:/var/log/shop.log"},
                                                                    {"log.iostream", "s:stderr"},
                                                                    {"thread.id", "i:214"},
                                                                    {"thread.name", "s:MainThread"},
                                                                    {"exception.type", "s:KeyError"},
                                                                    {"exception.message", "s:'x'"},
                                                                    {"exception.stacktrace", "s:Traceback …"},
                                                                    {"http.request.method", "s:GET"},
                                                                    {"sonde.logger", "s:shop.cart"},
                                                                    {"sonde.log.format", "s:json"},
                                                                    {"sonde.match", "s:thread"},
                                                                    {"sonde.confidence", "d:0.750000"},
                                                                    {"sonde.request_id", "s:r-1"},
                                                                    {"user", "s:ann"},
                                                                    {"items", "i:3"},
                                                                    {"ratio", "d:0.500000"},
                                                                    {"huge", "s:123456789012345678901234567890x"},
                                                                    {"ok", "b:true"}}));
    record.erase("attributes");
    EXPECT_EQ(json::value(record), (json::value{{"timeUnixNano", "1700000000123456789"},
                                                {"observedTimeUnixNano", "1700000000200000000"},
                                                {"severityNumber", 13},
                                                {"severityText", "WARNING"},
                                                {"body", {{"stringValue", "slow \"cart\"\n"}}},
                                                {"droppedAttributesCount", 2},
                                                {"traceId", "4bf92f3577b34da6a3ce929d0e0e4736"},
                                                {"spanId", "1122334455667788"}}));
}

TEST_P(OtlpLogEncoderTest, WhatIsNotKnownIsNotThere) {
    auto line = std::make_shared<LogLine>();
    line->record.message = "hello";
    line->record.observed_ns = 5;
    ASSERT_TRUE(encoder_.add(LogLinePtr(line)));
    const auto record = taken_record();
    EXPECT_EQ(otlp_attributes(record.at("attributes")),
              (Attributes{{"sonde.log.format", "s:plain"}, {"sonde.match", "s:none"}}));
    for (const auto* name : {"timeUnixNano", "severityNumber", "severityText", "traceId", "spanId"})
        EXPECT_FALSE(record.contains(name)) << name;
    EXPECT_EQ(record.at("observedTimeUnixNano"), "5");
}

TEST_P(OtlpLogEncoderTest, SeveritiesHaveTheirNumbers) {
    const std::map<Severity, int> numbers{{Severity::trace, 1}, {Severity::debug, 5},  {Severity::info, 9},
                                          {Severity::warn, 13}, {Severity::error, 17}, {Severity::fatal, 21}};
    for (const auto& [severity, number] : numbers) {
        auto line = std::make_shared<LogLine>();
        line->record.severity = severity;
        encoder_.add(LogLinePtr(line));
        EXPECT_EQ(taken_record().at("severityNumber"), number);
    }
}

TEST_P(OtlpLogEncoderTest, ALineWithoutARequestHasTheTraceThatItNames) {
    auto line = full_line();
    line->match = LogMatch::candidates;
    line->record.span_id.assign("00f067aa0ba902b7");
    ASSERT_TRUE(encoder_.add(LogLinePtr(line)));
    auto record = taken_record();
    EXPECT_EQ(record.at("traceId"), "ffffffffffffffffffffffffffffffff");
    EXPECT_EQ(record.at("spanId"), "00f067aa0ba902b7");
    line->record.trace_id.assign("");
    encoder_.add(LogLinePtr(line));
    record = taken_record();
    EXPECT_FALSE(record.contains("traceId"));
    EXPECT_FALSE(record.contains("spanId"));
}

TEST_P(OtlpLogEncoderTest, ALineOfARequestWithoutATraceHasThatOfItsSpan) {
    auto line = full_line();
    line->request_trace_id.assign("");
    encoder_.add(LogLinePtr(line));
    EXPECT_EQ(std::string(taken_record().at("traceId").as_string()), otlp_hex(trace_id_of_span(line->request_span_id)));
}

TEST_P(OtlpLogEncoderTest, LinesAreGroupedByTheirWriter) {
    for (const std::uint32_t pid : {1, 2, 1}) {
        auto line = full_line();
        line->record.source.pid = pid;
        encoder_.add(LogLinePtr(line));
    }
    EXPECT_FALSE(encoder_.add(sample_transaction(1)));
    EXPECT_FALSE(encoder_.add(LossRecord{}));
    const auto resources = take();
    ASSERT_EQ(resources.size(), 2);
    EXPECT_EQ(resources[0].at("scopeLogs").at(0).at("logRecords").as_array().size(), 2);
}

INSTANTIATE_TEST_SUITE_P(Formats, OtlpLogEncoderTest, testing::Values(OtlpFormat::protobuf, OtlpFormat::json),
                         [](const auto& format) { return format.param == OtlpFormat::json ? "json" : "protobuf"; });

}  // namespace
}  // namespace sonde
