// Rotations whose steps fall between the tailer's own. What happens at full speed:
// tests/integration/log_rotation_test.py.
#include "agent/log/tailer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

class TailerTest : public ::testing::Test, public LogRecordHandler {
protected:
    bool on_record(LogRecord& record) override {
        taken_.emplace_back(record.raw);
        if (when_taken_) std::exchange(when_taken_, nullptr)();
        return true;
    }
    [[nodiscard]] std::uint64_t records_safe() const override { return taken_.size(); }

    [[nodiscard]] std::string log(const std::string& suffix = "") const {
        return directory_.path() + "/app.log" + suffix;
    }
    void append(const std::string& text) const { std::ofstream(log(), std::ios::app) << text; }
    void copy_and_truncate(const std::string& suffix) const {
        std::filesystem::copy_file(log(), log(suffix));
        std::filesystem::resize_file(log(), 0);
    }
    void open() {
        options_.files.push_back({.pattern = directory_.path() + "/*.log",
                                  .format = {},
                                  .service = {},
                                  .multiline = multiline_,
                                  .time = {}});
        options_.from_beginning = true;
        options_.scan_interval_ms = 20;
        auto opened = Tailer::open(options_, *this);
        ASSERT_TRUE(opened) << opened.error().message();
        tailer_ = std::move(*opened);
    }
    // Until nothing happens any more.
    void read_all() {
        for (std::size_t quiet = 0, before = 0; quiet < 10; before = taken_.size())
            quiet = tailer_->turn(5) || taken_.size() > before ? 0 : quiet + 1;
    }

    TemporaryDirectory directory_;
    TailerOptions options_;
    bool multiline_ = false;
    std::unique_ptr<Tailer> tailer_;
    std::vector<std::string> taken_;
    std::function<void()> when_taken_;  // once, at the next record
};

using Lines = std::vector<std::string>;

// The record that is held from before the first truncation is handed over while that is dealt with; by then the file
// has been copied and truncated once more.
TEST_F(TailerTest, TruncatedAgainWhileATruncationIsDealtWith) {
    multiline_ = true;
    append("a1\n");
    open();
    tailer_->turn(5);
    EXPECT_EQ(taken_, Lines{});
    copy_and_truncate("-20260101");
    append("b1\n");
    when_taken_ = [&] {
        copy_and_truncate("-20260102");
        append("c1\n");
    };
    read_all();
    append("c2\n");
    options_.record_timeout_ms = 10;
    read_all();
    EXPECT_EQ(taken_, (Lines{"a1", "b1", "c1", "c2"}));
    EXPECT_EQ(tailer_->stats().bytes_lost.load(), 0U);
}

// Of the current file, found empty, nothing but its second content was seen before it was rotated twice: the copy of
// that is the younger one.
TEST_F(TailerTest, ACopyOfWhatWasNeverReadHasItsPlaceAmongTheOthers) {
    append("");
    open();
    read_all();
    std::ofstream(directory_.path() + "/aaa.log") << "another family, read first\n";
    when_taken_ = [&] {
        append("a1\n");
        copy_and_truncate("-20260101");
        append("b1\n");
    };
    tailer_->turn(5);
    copy_and_truncate("-20260102");
    append("c1\n");
    read_all();
    EXPECT_EQ(taken_, (Lines{"another family, read first", "a1", "b1", "c1"}));
}

// By their numbers, for nothing else tells.
TEST_F(TailerTest, RotatedWithinOneTickOfTheClock) {
    append("current\n");
    const timespec same[2] = {{1'767'323'045, 0}, {1'767'323'045, 0}};
    Lines expected;
    for (int number = 12; number > 0; --number) {
        const auto path = log("." + std::to_string(number));
        std::ofstream(path) << "rotated " << number << '\n';
        ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), same, 0), 0);
        expected.push_back("rotated " + std::to_string(number));
    }
    expected.emplace_back("current");
    const std::vector<LogFiles> files{{.pattern = log(), .format = {}, .service = {}, .time = {}}};
    FileScan scan(files);
    Lines found;
    for (const auto& file : scan.scan()) {
        std::string line;
        std::getline(std::ifstream(file.path), line);
        found.push_back(line);
    }
    EXPECT_EQ(found, expected);
}

TEST(RotationNumber, OfNames) {
    EXPECT_EQ(rotation_number("app.log.1"), 1U);
    EXPECT_EQ(rotation_number("app.log.00012"), 12U);
    EXPECT_EQ(rotation_number("app.1.log"), 1U);
    for (const auto* name :
         {"app.log", "app.log.old", "app.log-20260102", "app-20260102.log", "app.log.2026-01-02", "app", ""})
        EXPECT_EQ(rotation_number(name), 0U) << name;
}

}  // namespace
}  // namespace sonde
