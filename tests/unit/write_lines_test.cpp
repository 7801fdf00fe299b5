// What write calls carry becomes records: pieces joined, tracebacks kept whole, threads kept apart.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/correlate/write_lines.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ms = 1'000'000;

class WriteLinesTest : public testing::Test {
protected:
    struct Got {
        std::string text;
        std::uint64_t time_ns;
        std::uint32_t tid;
        std::uint8_t flags;
        std::uint64_t offset;
    };
    void write(std::uint64_t at_ms, std::string_view text, std::uint32_t tid = 1, std::uint32_t length = 0) {
        LogWrite w;
        w.time_ns = at_ms * ms;
        w.pid = 1;
        w.tid = tid;
        w.fd = 2;
        w.offset = 100;
        w.length = length != 0 ? length : static_cast<std::uint32_t>(text.size());
        w.bytes = {text.data(), text.size()};
        lines_.on(w);
    }
    std::vector<std::string> texts() {
        lines_.finish();
        std::vector<std::string> all;
        for (const auto& got : got_) all.push_back(got.text);
        return all;
    }
    std::vector<Got> got_;
    WriteLines lines_{{}, [this](const WrittenRecord& r) {
                          got_.push_back({r.text, r.write.time_ns, r.write.tid, r.flags, r.write.offset});
                      }};
};
using Texts = std::vector<std::string>;

TEST_F(WriteLinesTest, OneWriteSeveralLines) {
    write(1, "one\ntwo\n\nthree\n");
    EXPECT_EQ(texts(), (Texts{"one", "two", "three"}));
    EXPECT_EQ(got_[1].offset, 104U);
}

TEST_F(WriteLinesTest, PiecesOfALineAreJoined) {
    write(1, "hel");
    write(2, "lo");
    write(3, "\n");
    EXPECT_EQ(texts(), (Texts{"hello"}));
    EXPECT_EQ(got_[0].time_ns, 1 * ms);
    EXPECT_EQ(got_[0].flags, 0);
}

TEST_F(WriteLinesTest, ThreadsAreKeptApart) {
    write(1, "from ", 1);
    write(1, "of ", 2);
    write(2, "one\n", 1);
    write(2, "two\n", 2);
    auto all = texts();
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, (Texts{"from one", "of two"}));
}

TEST_F(WriteLinesTest, ALineWithoutItsEndIsLetGo) {
    write(1, "prompt> ");
    lines_.tick(400 * ms);
    EXPECT_TRUE(got_.empty());
    lines_.tick(600 * ms);
    ASSERT_EQ(got_.size(), 1U);
    EXPECT_EQ(got_[0].flags, log_partial);
}

TEST_F(WriteLinesTest, ALongWriteIsCutAndSaysSo) {
    write(1, "0123456789", 1, 5000);
    ASSERT_EQ(got_.size(), 1U);
    EXPECT_EQ(got_[0].flags, log_truncated);
    EXPECT_EQ(lines_.bytes_cut(), 4990U);
    write(2, "next\n");
    EXPECT_EQ(texts(), (Texts{"0123456789", "next"}));
}

TEST_F(WriteLinesTest, ALongLineIsCutAloneOfItsRecord) {
    const std::string start(4096, 'x');
    write(1, start + "and more\n  of it\nnext\n");
    EXPECT_EQ(texts(), (Texts{start + "\n  of it", "next"}));
    EXPECT_EQ(got_[0].flags, log_truncated);
    EXPECT_EQ(got_[1].flags, 0);
    EXPECT_EQ(lines_.bytes_cut(), 8U);
}

TEST_F(WriteLinesTest, APythonTracebackIsOneRecord) {
    const std::string traceback =
        "ERROR app: Exception on /fail\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\n"
        "ValueError: boom\n\nDuring handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n  File \"a.py\", line 2, in h\nKeyError: 'x'";
    write(1, traceback + "\n");
    write(1, "INFO app: next\n");
    EXPECT_EQ(texts(), (Texts{traceback, "INFO app: next"}));
}

// Throwable.printStackTrace writes line by line.
TEST_F(WriteLinesTest, AJavaTracebackComesInManyWrites) {
    write(1, "java.lang.IllegalStateException: boom\n");
    write(2, "\tat Main.handle(Main.java:10)\n");
    write(3, "\tat Main.main(Main.java:3)\n");
    write(4, "Caused by: java.io.IOException: disk\n");
    write(5, "\t... 2 more\n");
    write(6, "next\n");
    const auto all = texts();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_TRUE(all[0].ends_with("\t... 2 more"));
    EXPECT_EQ(got_[0].time_ns, 1 * ms);
}

TEST_F(WriteLinesTest, AGoPanicIsOneRecord) {
    const std::string panic =
        "2026/01/02 03:04:05 http: panic serving 127.0.0.1:1: boom\ngoroutine 18 [running]:\n"
        "net/http.(*conn).serve.func1()\n\t/usr/lib/go/server.go:1850 +0xb0\npanic({0x1, 0x2})";
    write(1, panic + "\n");
    EXPECT_EQ(texts(), (Texts{panic}));
}

TEST_F(WriteLinesTest, ARecordIsBounded) {
    for (int i = 0; i < 1000; ++i) write(1, "  " + std::string(100, 'x') + "\n");
    const auto all = texts();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_LE(all[0].size(), WriteLinesOptions{}.record_bytes);
    EXPECT_EQ(got_[0].flags, log_truncated);
}

}  // namespace
}  // namespace sonde
