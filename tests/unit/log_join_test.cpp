#include "agent/correlate/log_join.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace sonde {
namespace {

// 2,000 lines a second for ten seconds, each joined 250 ms later: some 500 wait at a time.
TEST(LogJoin, ThePoolHoldsHardlyMoreLinesThanAreInUse) {
    std::size_t joined = 0;
    LogJoin logs({}, {.redact = [](LogLine&) { return true; },
                      .on_line = [&](const std::shared_ptr<LogLine>&) { ++joined; },
                      .on_transaction = [](Transaction&) {}});
    LogWrite write;
    write.pid = 10;
    write.fd = 2;
    std::uint64_t now_ns = 1'000'000'000;
    for (int i = 0; i < 20'000; ++i) {
        const auto text = "line " + std::to_string(i) + "\n";
        write.length = static_cast<std::uint32_t>(text.size());
        write.bytes = {text.data(), text.size()};
        write.tid = 10 + static_cast<std::uint32_t>(i % 7);
        write.time_ns = now_ns += 500'000;
        logs.on(write);
        if (i % 20 == 0) logs.advance(now_ns);
    }
    EXPECT_GT(joined, 19'000U);
    EXPECT_LT(logs.pooled(), 1500U);
    logs.finish();
    EXPECT_EQ(joined, 20'000U);
}

class LogJoinLines : public ::testing::Test {
protected:
    void write(std::string_view text, std::uint64_t inode = 0) {
        LogWrite write;
        write.pid = 10, write.tid = 12, write.fd = 2;
        write.device = inode != 0 ? 1 : 0, write.inode = inode, write.offset = inode != 0 ? 100 : 0;
        write.time_ns = now_ns_;
        write.length = static_cast<std::uint32_t>(text.size());
        write.bytes = {text.data(), text.size()};
        logs_.on(write);
    }
    void read(std::string_view text) {
        LogRecord record;
        LineParser().parse(text, now_ns_, record);
        record.source.origin = LogOrigin::file;
        logs_.take(record);
    }
    void advance(std::uint64_t ms) { logs_.advance(now_ns_ += ms * 1'000'000); }

    std::uint64_t now_ns_ = 1'000'000'000;
    std::vector<std::shared_ptr<LogLine>> lines_;
    LogJoin logs_{{},
                  {.redact = [](LogLine&) { return true; },
                   .on_line = [this](const std::shared_ptr<LogLine>& line) { lines_.push_back(line); },
                   .on_transaction = [](Transaction&) {}}};
};

// The kernel's bytes and the file's differ in what is no UTF-8 until they are repaired.
TEST_F(LogJoinLines, AWriteAndALineOfAFileAreOneLineInEitherOrder) {
    for (const bool file_first : {false, true}) {
        lines_.clear();
        constexpr std::string_view text = "caf\xe9 is closed";
        if (file_first) read(text);
        write(std::string(text) + "\n");
        advance(150);
        if (!file_first) read(text);
        advance(1000);
        ASSERT_EQ(lines_.size(), 1U) << file_first;
        const auto& record = lines_[0]->record;
        EXPECT_EQ(record.source.origin, LogOrigin::both);
        EXPECT_EQ(record.source.pid, 10U);
        EXPECT_EQ(record.source.tid, 12U);
        EXPECT_EQ(record.source.stream, LogStream::err);
        EXPECT_EQ(record.message, "caf\xef\xbf\xbd is closed");
        EXPECT_TRUE(record.has(log_invalid_utf8));
    }
}

TEST_F(LogJoinLines, WhatWasWrittenIsParsedWithItsPlace) {
    write("{\"level\":\"warn\",\"msg\":\"caf\xe9\"}\n", 7);
    advance(500);
    ASSERT_EQ(lines_.size(), 1U);
    const auto& record = lines_[0]->record;
    EXPECT_EQ(record.severity, Severity::warn);
    EXPECT_EQ(record.format, LogFormat::json);
    EXPECT_TRUE(record.has(log_invalid_utf8));
    EXPECT_EQ(record.source.offset, 100U);
    EXPECT_EQ(record.source.end_offset, 100U + 30U);  // of the bytes as they were written
    EXPECT_EQ(record.source.inode, 7U);
}

// Its parser is forgotten only after the lines that still wait.
TEST_F(LogJoinLines, TheLastLinesOfAProcessAreParsed) {
    write("level=error msg=\"out of memory\"\n");
    logs_.process_ended(10);
    advance(500);
    ASSERT_EQ(lines_.size(), 1U);
    EXPECT_EQ(lines_[0]->record.severity, Severity::error);
    advance(100'000);
    write("level=info msg=again\n");
    advance(500);
    ASSERT_EQ(lines_.size(), 2U);
    EXPECT_EQ(lines_[1]->record.severity, Severity::info);
}

}  // namespace
}  // namespace sonde
