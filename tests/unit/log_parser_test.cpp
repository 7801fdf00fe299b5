#include <gtest/gtest.h>

#include <string>

#include "agent/log/container_line.hpp"
#include "agent/log/line_parser.hpp"

namespace sonde {
namespace {

constexpr std::string_view json_line =
    R"({"time":"2026-01-02T03:04:05Z","level":"ERROR","msg":"a \"quoted\" word","req":{"method":"GET"},"list":[1,"]"]})";

TEST(LineParser, ACopyHasItsOwnText) {
    LineParser parser;
    LogRecord copy;
    {
        LogRecord record;
        parser.parse(json_line, 1, record);
        record.source.path = record.text.add("/var/log/shop.log");
        copy.copy_from(record);
        EXPECT_NE(copy.raw.data(), record.raw.data());
        record.clear();
        EXPECT_TRUE(record.attributes.empty());
        EXPECT_EQ(record.time_ns, 0U);
    }
    EXPECT_EQ(copy.raw, json_line);
    EXPECT_EQ(copy.message, "a \"quoted\" word");
    EXPECT_EQ(copy.attribute("req.method"), "GET");
    EXPECT_EQ(copy.attribute("list"), "[1,\"]\"]");
    EXPECT_EQ(copy.source.path, "/var/log/shop.log");
    EXPECT_EQ(copy.access.method, "GET");
    const LogRecord moved = std::move(copy);
    EXPECT_EQ(moved.severity_text, "ERROR");
}

TEST(LineParser, MixedSourcesAreReadLineByLine) {
    LineParser parser;
    LogRecord record;
    for (int i = 0; i < 300; ++i) {
        parser.parse(json_line, 1, record);
        ASSERT_EQ(record.format, LogFormat::json);
        parser.parse("INFO:     Started server process [1]", 1, record);
        ASSERT_EQ(record.format, LogFormat::uvicorn);
        parser.parse("prose", 1, record);
        ASSERT_EQ(record.format, LogFormat::plain);
        ASSERT_TRUE(record.attributes.empty());
    }
}

TEST(LineParser, ASourceThatChangesItsFormatIsFollowed) {
    LineParser parser;
    LogRecord record;
    for (int i = 0; i < 100; ++i) parser.parse(json_line, 1, record);
    EXPECT_EQ(parser.format(), LogFormat::json);
    for (int i = 0; i < 200; ++i) parser.parse("level=info msg=\"now logfmt\"", 1, record);
    EXPECT_EQ(parser.format(), LogFormat::logfmt);
}

TEST(LineParser, AConfiguredFormatIsKept) {
    LineParser parser({.format = LogFormat::logfmt, .time = {}});
    LogRecord record;
    parser.parse(json_line, 1, record);
    EXPECT_EQ(record.format, LogFormat::plain);
    EXPECT_EQ(record.message, json_line);
    parser.parse("level=info msg=x", 1, record);
    EXPECT_EQ(record.format, LogFormat::logfmt);
}

TEST(LineParser, AttributesAreBoundedAndCounted) {
    std::string line = R"({"msg":"many")";
    for (int i = 0; i < 100; ++i) line += ",\"k" + std::to_string(i) + "\":1";
    line += "}";
    LineParser parser;
    LogRecord record;
    parser.parse(line, 1, record);
    EXPECT_EQ(record.attributes.size(), LogRecord::max_attributes);
    EXPECT_EQ(record.attributes_dropped, 36U);
    EXPECT_TRUE(record.has(log_attributes_cut));
}

TEST(LineParser, HostileJson) {
    LineParser parser;
    LogRecord record;
    const std::string deep = "{\"msg\":" + std::string(20000, '[') + std::string(20000, ']') + "}";
    parser.parse(deep, 1, record);
    EXPECT_EQ(record.format, LogFormat::plain);
    for (const auto line :
         {"{}", "{", "[]", "{\"msg\"}", "{\"msg\":\"x\"}{}", "{\"msg\":\"x\"} trailing", "{\"a\":1}"}) {
        parser.parse(line, 1, record);
        EXPECT_EQ(record.format, LogFormat::plain) << line;
        EXPECT_EQ(record.message, line);
    }
    parser.parse("{\"msg\":\"nul \\u0000 and \xff\"}", 1, record);
    EXPECT_EQ(record.format, LogFormat::json);
    EXPECT_EQ(record.message, std::string_view("nul \0 and \xef\xbf\xbd", 13));
    EXPECT_TRUE(record.has(log_invalid_utf8));
}

TEST(LineParser, LongLines) {
    LineParser parser;
    LogRecord record;
    const std::string line = "{\"msg\":\"" + std::string(1 << 20, 'x') + "\"}";
    parser.parse(line, 1, record);
    EXPECT_EQ(record.message.size(), 1U << 20);
    parser.parse("short", 1, record);
    EXPECT_EQ(record.message, "short");
}

TEST(ContainerPaths, Ids) {
    const std::string id(64, 'a');
    EXPECT_EQ(container_id_of_path("/var/lib/docker/containers/" + id + "/" + id + "-json.log"), id);
    EXPECT_EQ(container_id_of_path("/var/log/containers/shop-5c_default_web-" + id + ".log"), id);
    EXPECT_EQ(container_id_of_path("/var/log/shop.log"), "");
}

}  // namespace
}  // namespace sonde
