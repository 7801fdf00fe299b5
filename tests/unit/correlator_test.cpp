// What becomes of lines and transactions: held back, bounded, counted; one record of a line that came twice.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/correlate/correlator.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ms = 1'000'000;

struct Bench {
    explicit Bench(const CorrelatorOptions& options)
        : correlator(options, {.redact =
                                   [](LogLine& line) {
                                       if (line.record.message == "secret") line.record.message = "[redacted]";
                                       return line.record.message != "drop";
                                   },
                               .on_line = [this](const std::shared_ptr<LogLine>& line) { lines.push_back(line); },
                               .on_transaction = [this](Transaction& t) { transactions.push_back(t); }}) {}

    void read(std::uint64_t at_ms, std::uint64_t id, std::uint32_t tid = 10) {
        correlator.advance(at_ms * ms);
        Transaction t;
        t.side = Side::server;
        t.trace.span_id = id;
        t.method.assign("GET");
        t.path.assign("/");
        correlator.request_read({t, {}, {}, 10, tid, 0, at_ms * ms});
    }
    bool end(std::uint64_t at_ms, std::uint64_t id) {
        correlator.advance(at_ms * ms);
        Transaction t;
        t.side = Side::server;
        t.trace.span_id = id;
        return correlator.hold(t, at_ms * ms);
    }
    std::shared_ptr<LogLine> line(std::uint64_t at_ms, std::string_view text, LogOrigin origin = LogOrigin::kernel) {
        auto made = std::make_shared<LogLine>();
        made->record.raw = made->record.message = made->record.text.add(text);
        made->record.source.origin = origin;
        made->monotonic_ns = at_ms * ms;
        if (origin == LogOrigin::kernel) made->record.source.pid = made->record.source.tid = 10;
        return made;
    }
    void write(std::uint64_t at_ms, std::string_view text, LogOrigin origin = LogOrigin::kernel) {
        correlator.advance(at_ms * ms);
        correlator.add(line(at_ms, text, origin));
    }

    std::vector<std::shared_ptr<LogLine>> lines;
    std::vector<Transaction> transactions;
    Correlator correlator;
};

TEST(Correlator, ATransactionWaitsForItsLines) {
    Bench bench({});
    bench.read(1, 7);
    bench.write(2, "one");
    EXPECT_TRUE(bench.end(3, 7));
    bench.write(100, "two");
    bench.correlator.advance(700 * ms);
    EXPECT_TRUE(bench.transactions.empty());
    EXPECT_EQ(bench.correlator.stats().held_transactions.load(), 1U);
    bench.correlator.advance(760 * ms);
    ASSERT_EQ(bench.transactions.size(), 1U);
    ASSERT_NE(bench.transactions[0].logs, nullptr);
    ASSERT_EQ(bench.transactions[0].logs->lines.size(), 2U);
    EXPECT_EQ(bench.transactions[0].logs->lines[0].message, "one");
    EXPECT_EQ(bench.transactions[0].logs->lines[1].message, "two");
}

TEST(Correlator, WhoWritesNothingIsNotHeldBack) {
    Bench bench({});
    bench.read(1, 7);
    EXPECT_FALSE(bench.end(2, 7));
    bench.write(3, "first line of its life");
    bench.read(4, 8);
    EXPECT_TRUE(bench.end(5, 8));
    bench.correlator.advance(100'000 * ms);
    bench.read(100'001, 9);
    EXPECT_FALSE(bench.end(100'002, 9));  // silent for more than a minute
}

TEST(Correlator, LinesOfATransactionAreBounded) {
    CorrelatorOptions options;
    options.max_lines = 3;
    Bench bench(options);
    bench.read(1, 7);
    for (int i = 0; i < 10; ++i) bench.write(2, "line " + std::to_string(i));
    auto error = bench.line(2, "the error");
    error->record.severity = Severity::error;
    bench.correlator.add(error);
    bench.end(3, 7);
    bench.correlator.finish();
    ASSERT_EQ(bench.transactions.size(), 1U);
    const auto& logs = *bench.transactions[0].logs;
    EXPECT_EQ(logs.lines.size(), 3U);
    EXPECT_EQ(logs.dropped, 8U);
    EXPECT_TRUE(logs.has_error);
    EXPECT_EQ(bench.lines.size(), 11U);
    EXPECT_EQ(bench.correlator.stats().lines_over.load(), 8U);
}

TEST(Correlator, RedactionComesBeforeAnythingIsCopied) {
    Bench bench({});
    bench.read(1, 7);
    bench.write(2, "secret");
    bench.write(2, "drop");
    bench.end(3, 7);
    bench.correlator.finish();
    ASSERT_EQ(bench.transactions.size(), 1U);
    ASSERT_EQ(bench.transactions[0].logs->lines.size(), 1U);
    EXPECT_EQ(bench.transactions[0].logs->lines[0].message, "[redacted]");
    EXPECT_EQ(bench.lines.size(), 1U);
}

TEST(Correlator, ChosenFieldsBecomeAttributes) {
    Bench bench({});
    bench.read(1, 7);
    auto line = bench.line(2, "x");
    line->record.add_attribute("user_id", "42");
    line->record.add_attribute("colour", "blue");
    bench.correlator.add(line);
    bench.end(3, 7);
    bench.correlator.finish();
    ASSERT_EQ(bench.transactions.size(), 1U);
    const auto& attributes = bench.transactions[0].logs->attributes;
    ASSERT_EQ(attributes.size(), 1U);
    EXPECT_EQ(attributes[0], (std::pair<std::string, std::string>("user_id", "42")));
}

TEST(Correlator, ALineFromWriteAndFileIsOneRecord) {
    for (const bool file_first : {false, true}) {
        Bench bench({});
        bench.read(1, 7);
        bench.write(2, "twice", file_first ? LogOrigin::file : LogOrigin::kernel);
        bench.write(3, "twice", file_first ? LogOrigin::kernel : LogOrigin::file);
        bench.write(4, "twice", LogOrigin::file);  // the same words again: another line
        bench.end(5, 7);
        bench.correlator.finish();
        ASSERT_EQ(bench.lines.size(), 2U);
        EXPECT_EQ(bench.lines[0]->record.source.origin, LogOrigin::both);
        EXPECT_EQ(bench.lines[0]->match, LogMatch::thread);
        EXPECT_EQ(bench.lines[1]->record.source.origin, LogOrigin::file);
        EXPECT_EQ(bench.correlator.stats().duplicates.load(), 1U);
    }
}

// A hundred equal lines, as a health check writes them: each write finds the file's line of the same place.
TEST(Correlator, EqualLinesFromBothAreAsManyRecords) {
    Bench bench({});
    for (int i = 0; i < 100; ++i) bench.write(2, "GET /health 200");
    for (int i = 0; i < 100; ++i) bench.write(3, "GET /health 200", LogOrigin::file);
    bench.correlator.finish();
    EXPECT_EQ(bench.lines.size(), 100U);
    EXPECT_EQ(bench.correlator.stats().duplicates.load(), 100U);
}

// An access log without times: searched one by one, these would take minutes.
TEST(Correlator, TensOfThousandsOfEqualLinesAreFoundAtOnce) {
    constexpr std::size_t count = 30'000;
    Bench bench({});
    for (std::size_t i = 0; i < count; ++i) bench.write(2, "GET / 200");
    for (std::size_t i = 0; i < count; ++i) bench.write(3, "GET / 200", LogOrigin::file);
    for (std::size_t i = 0; i < count; ++i) bench.write(4, "GET / 200");
    bench.correlator.finish();
    EXPECT_EQ(bench.lines.size(), 2 * count);
    EXPECT_EQ(bench.correlator.stats().duplicates.load(), count);
    EXPECT_EQ(bench.correlator.stats().early_lines.load(), 2 * count - CorrelatorOptions{}.max_waiting_lines);
}

// Two programs that say the same, each into a log of its own.
TEST(Correlator, EqualLinesOfTwoFilesAreToldApart) {
    Bench bench({});
    const auto add = [&](std::uint64_t at_ms, std::uint64_t inode, LogOrigin origin) {
        auto line = bench.line(at_ms, "started", origin);
        line->record.source.device = 1;
        line->record.source.inode = inode;
        if (origin == LogOrigin::kernel) line->record.source.tid = static_cast<std::uint32_t>(100 + inode);
        bench.correlator.add(line);
    };
    for (std::uint64_t i = 0; i < 20; ++i) add(1, 1 + i % 2, LogOrigin::kernel);
    for (std::uint64_t i = 0; i < 20; ++i) add(2, 2 - i % 2, LogOrigin::file);
    bench.correlator.finish();
    EXPECT_EQ(bench.lines.size(), 20U);
    for (const auto& line : bench.lines)
        EXPECT_EQ(line->record.source.tid, 100 + line->record.source.inode) << "the thread of another file's line";
}

// The last line of a file waits for lines that may continue it, longer than the kernel's copy waits for its join.
TEST(Correlator, ALineThatComesLateFromTheOtherOriginIsKnownAgain) {
    Bench bench({});
    bench.write(1, "of the file alone", LogOrigin::file);
    bench.write(2, "of both");
    bench.write(1000, "of both", LogOrigin::file);
    bench.write(1001, "of both", LogOrigin::file);  // written again, unseen by the kernel
    bench.write(9000, "of the file alone");         // long after
    bench.correlator.finish();
    EXPECT_EQ(bench.lines.size(), 4U);
    EXPECT_EQ(bench.correlator.stats().duplicates.load(), 1U);
}

TEST(Correlator, ACutWriteWaitsForItsWholeText) {
    Bench bench({});
    bench.write(1, "another", LogOrigin::file);
    auto cut = bench.line(2, std::string(600, 'x'));
    cut->record.flags |= log_truncated;
    bench.correlator.advance(2 * ms);
    bench.correlator.add(cut);
    bench.write(1000, std::string(700, 'x'), LogOrigin::file);
    bench.correlator.finish();
    ASSERT_EQ(bench.lines.size(), 2U);
    EXPECT_EQ(bench.lines[1]->record.source.origin, LogOrigin::both);
    EXPECT_EQ(bench.lines[1]->record.raw.size(), 700U);
}

TEST(Correlator, TheOldestRecordOfAFileThatWaitsIsKnown) {
    Bench bench({});
    for (std::uint64_t number = 1; number <= 3; ++number) {
        auto line = bench.line(100 * number, "line " + std::to_string(number), LogOrigin::file);
        line->file_number = number;
        bench.correlator.add(line);
    }
    EXPECT_EQ(bench.correlator.oldest_file_number(), 1U);
    bench.correlator.advance(260 * ms);
    EXPECT_EQ(bench.lines.size(), 2U);
    EXPECT_EQ(bench.correlator.oldest_file_number(), 3U);
    bench.correlator.finish();
    EXPECT_EQ(bench.correlator.oldest_file_number(), 0U);
}

// Who reads a file of yesterday is not slowed down by what only today's lines have to wait for.
TEST(Correlator, OldLinesOfFilesWaitForNothing) {
    Bench bench({});
    bench.correlator.advance(1000 * ms);
    auto line = bench.line(1000, "of yesterday", LogOrigin::file);
    line->record.observed_ns = 1'800'000'000'000'000'000;
    line->record.time_ns = line->record.observed_ns - 86'400'000'000'000;
    bench.correlator.add(line);
    bench.correlator.advance(1001 * ms);
    EXPECT_EQ(bench.lines.size(), 1U);
}

TEST(Correlator, LinesHaveTheServiceOfTheirRequests) {
    Bench bench({});
    bench.read(1, 7);
    bench.write(2, "in it");
    Transaction t;
    t.side = Side::server;
    t.trace.span_id = 7;
    t.service = "shop:8080";
    bench.correlator.advance(3 * ms);
    bench.correlator.hold(t, 3 * ms);
    bench.write(9000, "long after it");
    bench.correlator.finish();
    ASSERT_EQ(bench.lines.size(), 2U);
    EXPECT_EQ(bench.lines[0]->service, "shop:8080");
    EXPECT_EQ(bench.lines[1]->match, LogMatch::none);
    EXPECT_EQ(bench.lines[1]->service, "shop:8080");
}

TEST(Correlator, EverythingIsBoundedAndCounted) {
    CorrelatorOptions options;
    options.max_requests = 8;
    options.max_waiting_lines = 16;
    options.max_held = 4;
    Bench bench(options);
    for (std::uint64_t id = 1; id <= 20; ++id) bench.read(1, id, static_cast<std::uint32_t>(id));
    for (int i = 0; i < 100; ++i) bench.write(2, "line " + std::to_string(i));
    for (std::uint64_t id = 1; id <= 20; ++id) bench.end(3, id);
    const auto& stats = bench.correlator.stats();
    EXPECT_EQ(stats.untracked_requests.load(), 12U);
    EXPECT_EQ(stats.early_lines.load(), 84U);
    EXPECT_EQ(stats.early_transactions.load(), 4U);
    EXPECT_EQ(stats.waiting_lines.load(), 16U);
    bench.correlator.finish();
    EXPECT_EQ(bench.lines.size(), 100U);
    EXPECT_EQ(bench.transactions.size(), 8U);
}

TEST(Correlator, LinesAreJoinedInTheOrderOfTheirWriting) {
    Bench bench({});
    bench.correlator.add(bench.line(5, "second"));
    bench.correlator.add(bench.line(3, "first"));
    bench.correlator.finish();
    ASSERT_EQ(bench.lines.size(), 2U);
    EXPECT_EQ(bench.lines[0]->record.message, "first");
}

}  // namespace
}  // namespace sonde
