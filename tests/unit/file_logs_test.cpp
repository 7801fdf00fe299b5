// Records of files on their way to the pipeline: bounded, in order, none lost, and safe only when told so.
#include "agent/log/file_logs.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace sonde {
namespace {

class FileLogsTest : public testing::Test {
protected:
    FileLogsTest()
        : folder_(std::filesystem::temp_directory_path() / ("sonde-file-logs-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(folder_);
        options_.tail.files.emplace_back().pattern = (folder_ / "*.log").string();
        options_.tail.checkpoint_path = (folder_ / "checkpoint").string();
        options_.tail.from_beginning = true;
        options_.tail.record_timeout_ms = 10;
        options_.tail.checkpoint_interval_ms = 10;
    }
    ~FileLogsTest() override { std::filesystem::remove_all(folder_); }

    void write(int from, int count, const std::string& more = {}) {
        std::ofstream file(folder_ / "app.log", std::ios::app);
        for (int i = from; i < from + count; ++i) file << "INFO line " << i << more << '\n';
    }
    std::unique_ptr<FileLogs> start() {
        auto logs = FileLogs::open(options_);
        EXPECT_TRUE(logs) << logs.error().message();
        (*logs)->start();
        return std::move(*logs);
    }
    // Drains until so many lines have come, or nothing does for long.
    std::vector<std::string> take(FileLogs& logs, std::size_t count) {
        std::vector<std::string> out;
        for (int rest = 0; out.size() < count && rest < 2000; ++rest) {
            const auto got = logs.drain(count - out.size(), [&](LogRecord& record) { out.emplace_back(record.raw); });
            if (got > 0) rest = 0;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return out;
    }

    const std::filesystem::path folder_;
    FileLogsOptions options_;
};

TEST_F(FileLogsTest, LinesWaitInTheirFileWhereNobodyTakesThem) {
    options_.queue_records = 16;
    write(0, 200);
    const auto logs = start();
    for (int i = 0; i < 2000 && logs->stats().refusals.load() == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_GT(logs->stats().refusals.load(), 0U);
    EXPECT_EQ(logs->queued(), 16U);
    const auto lines = take(*logs, 200);
    ASSERT_EQ(lines.size(), 200U);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(lines[static_cast<std::size_t>(i)], "INFO line " + std::to_string(i));
}

TEST_F(FileLogsTest, TheQueueIsBoundedInBytesToo) {
    options_.queue_records = 64;
    options_.queue_bytes = 10'000;
    write(0, 20, std::string(4000, 'x'));
    const auto logs = start();
    for (int i = 0; i < 2000 && logs->stats().refusals.load() == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(logs->queued(), 2U);
    EXPECT_EQ(take(*logs, 20).size(), 20U);
}

TEST_F(FileLogsTest, WhatWasNotSafeComesAgain) {
    write(0, 10);
    {
        const auto logs = start();
        EXPECT_EQ(take(*logs, 10).size(), 10U);
        logs->stop();
        EXPECT_TRUE(logs->save());
    }
    {
        const auto logs = start();
        EXPECT_EQ(take(*logs, 10).size(), 10U) << "nobody said that they are safe";
        logs->stop();
        logs->set_safe(10);
        EXPECT_TRUE(logs->save());
    }
    write(10, 5);
    const auto logs = start();
    EXPECT_EQ(take(*logs, 5), (std::vector<std::string>{"INFO line 10", "INFO line 11", "INFO line 12", "INFO line 13",
                                                        "INFO line 14"}));
}

}  // namespace
}  // namespace sonde
