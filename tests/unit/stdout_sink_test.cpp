#include "sinks/stdout/stdout_sink.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <thread>

#include "agent/base/unique_fd.hpp"
#include "sinks/event_json.hpp"
#include "sinks/stdout/readable_line.hpp"

namespace sonde {
namespace {

using Options = StdoutSinkOptions;

Transaction sample() {
    Transaction t;
    t.time_ns = 1'767'323'045'678'901'234;
    t.duration_ns = 2'913'000;
    t.phase_ns = {364'125, 0, 728'250, 0, 1'638'562, 182'063};
    t.outcome = Outcome::ok;
    t.status = 200;
    t.method = {"GET"};
    t.path = {"/orders/42"};
    t.service = "shop";
    return t;
}

std::string readable(const Record& record, bool colour = false) {
    std::string out;
    append_readable_line(out, record, colour);
    return out;
}

TEST(ReadableLine, HasColumnsAndUnits) {
    EXPECT_EQ(readable(sample()), "03:04:05.678  200      2.9 ms  qqccccbbbbbbbbbt  GET /orders/42  shop\n");
    auto t = sample();
    t.side = Side::client;
    t.outcome = Outcome::aborted;
    t.status = 0;
    t.phase_ns.fill(unobserved_ns);
    t.method = {};
    t.path = {};
    t.service = {};
    EXPECT_EQ(readable(t), "03:04:05.678    -      2.9 ms  ................  -> - -  aborted\n");
}

TEST(ReadableLine, ColoursAreEndedAndFollowTheOutcome) {
    auto t = sample();
    EXPECT_NE(readable(t, true).find("\x1b[32m200\x1b[0m"), std::string::npos);
    t.status = 404;
    EXPECT_NE(readable(t, true).find("\x1b[33m404\x1b[0m"), std::string::npos);
    t.status = 503;
    EXPECT_NE(readable(t, true).find("\x1b[31m503\x1b[0m"), std::string::npos);
}

// What a client sends must not drive the terminal of whoever looks.
TEST(ReadableLine, PathsCannotDriveTheTerminal) {
    auto t = sample();
    t.path = {"/a\x1b[2J\r\n\x7f\xc2\x9b\xff\xe2\x80\xae/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"};
    const auto line = readable(t);
    EXPECT_NE(line.find("/a?[2J?????"), std::string::npos) << line;
    EXPECT_NE(line.find("/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), std::string::npos) << line;
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(ReadableLine, TheBarAlwaysHasItsLength) {
    auto t = sample();
    for (std::uint64_t i = 1; i < 2000; i += 7) {
        t.duration_ns = i % 13 == 0 ? 0 : i * 1000;
        for (std::size_t phase = 0; phase < phase_count; ++phase)
            t.phase_ns[phase] = static_cast<std::int64_t>(i * 7919 * (phase + 1) % 100'003) - 20'000;
        const auto line = readable(t);
        const auto wide = line.find("µ") == std::string::npos ? 0U : 1U;  // two bytes, one column
        ASSERT_EQ(line.find("  GET"), line.find("  200") + 5 + 12 + 2 + bar_cells + wide) << line;
    }
}

TEST(ReadableLine, NamesWhatWasLost) {
    LossRecord loss;
    loss.time_ns = sample().time_ns;
    loss.since_last.rows[1].lost[0] = 12;
    const auto line = readable(loss);
    EXPECT_EQ(line, "03:04:05.678  lost: 12 " + std::string(record_type_names[1]) + " (" +
                        std::string(loss_reason_names[0]) + ")\n");
}

class StdoutSinkTest : public testing::Test {
protected:
    void SetUp() override {
        old_ = std::signal(SIGPIPE, SIG_IGN);
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        reader_.reset(ends[0]);
        writer_.reset(ends[1]);
    }
    void TearDown() override { std::signal(SIGPIPE, old_); }

    [[nodiscard]] Options options() const {
        Options options;
        options.fd = writer_.get();
        options.stall_ms = 20;
        return options;
    }
    std::string read(std::size_t most = 1U << 20U) {
        std::string out(most, '\0');
        const auto got = ::read(reader_.get(), out.data(), out.size());
        out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return out;
    }

    UniqueFd reader_, writer_;
    void (*old_)(int) = nullptr;
};

TEST_F(StdoutSinkTest, WritesJsonWhereThereIsNoTerminal) {
    StdoutSink sink(options());
    sink.write(sample());
    ASSERT_TRUE(sink.flush());
    std::string expected;
    append_event_json(expected, sample());
    EXPECT_EQ(read(), expected);
    EXPECT_EQ(sink.stats().bytes, expected.size());
    EXPECT_EQ(::fcntl(writer_.get(), F_GETFL) & O_NONBLOCK, 0) << "others write to it, too";
}

TEST_F(StdoutSinkTest, WritesReadableLinesWhenAsked) {
    auto chosen = options();
    chosen.format = Options::Format::readable;
    StdoutSink sink(chosen);
    sink.write(sample());
    ASSERT_TRUE(sink.flush());
    const auto text = read();
    EXPECT_TRUE(text.starts_with("time (UTC)")) << text;
    EXPECT_TRUE(text.ends_with(readable(sample()))) << text;
}

TEST_F(StdoutSinkTest, AReaderThatTakesNothingIsNotWaitedForForever) {
    StdoutSink sink(options());
    const auto started = std::chrono::steady_clock::now();
    constexpr int count = 2000;  // about 1 MiB
    for (int i = 0; i < count; ++i) sink.write(sample());
    const auto stalled = sink.flush();
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(5));
    ASSERT_FALSE(stalled);
    EXPECT_EQ(stalled.error().what, "standard output takes nothing");
    const auto failed = sink.stats().failed_records;
    EXPECT_GT(failed, 0);

    std::string got;
    std::thread reading([&] {
        while (true) {
            const auto part = read();
            if (part.empty()) break;
            got += part;
        }
    });
    // on a busy machine the reader may come later than one flush's patience
    const auto resumes = [&] {
        for (int i = 0; i < 1000; ++i)
            if (sink.flush()) return true;
        return false;
    };
    EXPECT_TRUE(resumes());
    sink.write(sample());
    EXPECT_TRUE(resumes());
    EXPECT_EQ(sink.stats().failed_records, failed);
    { const StdoutSink closing(std::move(sink)); }
    writer_.reset();
    reading.join();
    std::string line;
    append_event_json(line, sample());
    ASSERT_EQ(got.size() % line.size(), 0) << "whole lines";
    EXPECT_EQ(got.size() / line.size() + failed, count + 1) << "written + refused = handed over";
}

TEST_F(StdoutSinkTest, AReaderThatLeftIsLeftAlone) {
    StdoutSink sink(options());
    sink.write(sample());
    reader_.reset();
    const auto gone = sink.flush();
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().what, "cannot write to standard output: its reader has gone");
    for (int i = 0; i < 1000; ++i) sink.write(sample());
    EXPECT_FALSE(sink.flush());
    EXPECT_EQ(sink.stats().failed_records, 1001);
    EXPECT_EQ(sink.stats().errors, 1);
}

TEST_F(StdoutSinkTest, WritesToASocket) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
    StdoutSink sink(options());
    sink.write(sample());
    ASSERT_TRUE(sink.flush());
    EXPECT_EQ(read().back(), '\n');
    reader_.reset();
    sink.write(sample());
    EXPECT_FALSE(sink.flush());
}

}  // namespace
}  // namespace sonde
