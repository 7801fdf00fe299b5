// Which rule joins a line with which request, and how sure it is. One step of the tests' clock is a millisecond.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/correlate/correlator.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ms = 1'000'000;

struct Seen {
    LogMatch match;
    float confidence;
    std::uint64_t request;
    std::uint32_t candidates;
};

class CorrelateRules : public testing::Test {
protected:
    struct Request {
        std::uint64_t id;
        std::uint32_t pid = 10;
        std::uint32_t tid = 10;
        std::uint64_t strand = 0;
        std::string path = "/";
        std::string trace_id{};
        std::string request_id{};
        std::uint16_t port = 0;
    };
    struct Line {
        std::string text;
        std::uint32_t pid = 10;
        std::uint32_t tid = 10;
        std::uint64_t strand = 0;
        std::string trace_id{};
        std::string request_id{};
        LogAccess access{};
    };

    void read(std::uint64_t at_ms, const Request& r) {
        step(at_ms);
        Transaction t;
        t.side = Side::server;
        t.trace.span_id = r.id;
        t.trace.trace_id.assign(r.trace_id);
        t.trace.request_id.assign(r.request_id);
        t.method.assign("GET");
        t.path.assign(r.path);
        Endpoint client;
        client.port = r.port;
        correlator_.request_read({t, client, {}, r.pid, r.tid, r.strand, at_ms * ms});
    }
    void answer(std::uint64_t at_ms, std::uint64_t id, std::uint32_t tid, std::uint32_t pid = 10) {
        step(at_ms);
        ThreadClock by;
        by.pid = pid;
        by.tid = tid;
        Transaction answered;
        answered.trace.span_id = id;
        correlator_.response_began(answered, by, at_ms * ms);
    }
    // tid 0: who answered was not seen.
    void end(std::uint64_t at_ms, std::uint64_t id, std::uint32_t tid = 0, std::uint16_t status = 200) {
        step(at_ms);
        if (tid != 0) answer(at_ms, id, tid);
        Transaction t;
        t.side = Side::server;
        t.trace.span_id = id;
        t.status = status;
        held_ += correlator_.hold(t, at_ms * ms) ? 1 : 0;
    }
    void write(std::uint64_t at_ms, const Line& l) {
        step(at_ms);
        auto line = std::make_shared<LogLine>();
        auto& record = line->record;
        record.raw = record.message = record.text.add(l.text);
        record.trace_id.assign(l.trace_id);
        record.request_id.assign(l.request_id);
        record.access = l.access;
        record.source.origin = LogOrigin::kernel;
        record.source.pid = l.pid;
        record.source.tid = l.tid;
        line->monotonic_ns = at_ms * ms;
        line->strand = l.strand;
        correlator_.add(std::move(line));
    }
    void step(std::uint64_t at_ms) { correlator_.advance(at_ms * ms); }
    // The line's fate, once it is known.
    Seen of(const std::string& text) {
        correlator_.advance(10'000 * ms);
        for (const auto& line : lines_)
            if (line->record.message == text)
                return {line->match, line->confidence, line->request_span_id, line->candidate_count};
        ADD_FAILURE() << "no line " << text;
        return {};
    }

    CorrelatorOptions options_{};
    std::vector<std::shared_ptr<LogLine>> lines_;
    std::vector<Transaction> done_;
    int held_ = 0;
    Correlator correlator_{options_,
                           {.redact = {},
                            .on_line = [this](const std::shared_ptr<LogLine>& line) { lines_.push_back(line); },
                            .on_transaction = [this](Transaction& t) { done_.push_back(t); }}};
};

// More than the rule looks at in one go, all of them still remembered when the line is joined.
TEST_F(CorrelateRules, ABusyThreadIsCertainAsWell) {
    for (std::uint64_t i = 1; i <= 300; ++i) {
        read(2 * i, {.id = i});
        if (i == 200) write(2 * i, {"of 200"});
        end(2 * i + 1, i, 10);
    }
    const auto seen = of("of 200");
    EXPECT_EQ(seen.match, LogMatch::thread);
    EXPECT_EQ(seen.confidence, 1);
    EXPECT_EQ(seen.request, 200U);
}

TEST_F(CorrelateRules, ALongRequestBehindManyShortOnesOpensADoubt) {
    read(1, {.id = 1000});
    for (std::uint64_t i = 1; i <= 300; ++i) {
        read(2 * i, {.id = i});
        if (i == 290) write(2 * i, {"of one of them"});
        end(2 * i + 1, i, 10);
    }
    EXPECT_EQ(of("of one of them").match, LogMatch::candidates);
}

TEST_F(CorrelateRules, ALongRequestThatHasJustEndedOpensItToo) {
    read(1, {.id = 1000});
    for (std::uint64_t i = 1; i <= 300; ++i) {
        read(2 * i, {.id = i});
        if (i == 290) write(2 * i, {"of one of them"});
        end(2 * i + 1, i, 10);
    }
    end(602, 1000, 10);
    EXPECT_EQ(of("of one of them").match, LogMatch::candidates);
}

TEST_F(CorrelateRules, AThreadWithOneRequestIsCertain) {
    read(1, {.id = 1, .tid = 11});
    read(2, {.id = 2, .tid = 12});
    write(3, {.text = "a", .tid = 11});
    write(3, {.text = "b", .tid = 12});
    end(4, 1, 11);
    end(5, 2, 12);
    EXPECT_EQ(of("a").request, 1U);
    EXPECT_EQ(of("a").match, LogMatch::thread);
    EXPECT_EQ(of("a").confidence, 1.0F);
    EXPECT_EQ(of("b").request, 2U);
}

// A worker writes its access line when the response is out; the next request comes after it.
TEST_F(CorrelateRules, ALateLineBelongsToTheRequestBefore) {
    read(1, {.id = 1});
    end(2, 1, 10);
    write(3, {.text = "late"});
    read(4, {.id = 2});
    write(5, {.text = "own"});
    end(6, 2, 10);
    EXPECT_EQ(of("late").request, 1U);
    EXPECT_LT(of("late").confidence, 1.0F);
    EXPECT_EQ(of("own").request, 2U);
}

TEST_F(CorrelateRules, TooLateIsNobodys) {
    read(1, {.id = 1});
    end(2, 1, 10);
    write(600, {.text = "late"});
    EXPECT_EQ(of("late").match, LogMatch::none);
}

TEST_F(CorrelateRules, AnEventLoopWithSeveralGivesCandidates) {
    read(1, {.id = 1});
    read(2, {.id = 2});
    write(3, {.text = "whose"});
    end(4, 1, 10);
    end(5, 2, 10);
    const auto seen = of("whose");
    EXPECT_EQ(seen.match, LogMatch::candidates);
    EXPECT_EQ(seen.request, 0U);
    EXPECT_EQ(seen.candidates, 2U);
}

// The thread is known to serve several at a time: what it writes just after one has ended may be that one's.
TEST_F(CorrelateRules, AnEventLoopIsNeverCertain) {
    read(1, {.id = 1});
    read(2, {.id = 2});
    end(3, 1, 10);
    write(4, {.text = "doubtful"});
    write(200, {.text = "likely"});
    end(300, 2, 10);
    EXPECT_EQ(of("doubtful").match, LogMatch::candidates);
    EXPECT_EQ(of("likely").match, LogMatch::thread);
    EXPECT_EQ(of("likely").request, 2U);
    EXPECT_LT(of("likely").confidence, 1.0F);
}

// The end of a response is told late: what is known when the line has settled counts.
TEST_F(CorrelateRules, EndsThatAreToldLateStillCount) {
    read(1, {.id = 1});
    read(20, {.id = 2});
    write(21, {.text = "second"});
    step(150);
    Transaction t;
    t.side = Side::server;
    t.trace.span_id = 1;
    correlator_.hold(t, 5 * ms);
    EXPECT_EQ(of("second").request, 2U);
    EXPECT_EQ(of("second").confidence, 1.0F);
}

// Tasks that move between threads: one reads, another answers, a third may have written.
TEST_F(CorrelateRules, WhereThreadsHandOverTheThreadSaysNothing) {
    for (std::uint64_t id = 1; id <= 3; ++id) {
        read(id, {.id = id, .tid = 11});
        end(id, id, 12);
    }
    read(1001, {.id = 11, .tid = 11});
    read(1001, {.id = 12, .tid = 12});
    write(1002, {.text = "x", .tid = 12});
    end(1003, 11, 12);
    end(1003, 12, 11);
    EXPECT_EQ(of("x").match, LogMatch::candidates);
}

// Nagle's algorithm keeps the last bytes of a response back: its thread is long at the next request.
TEST_F(CorrelateRules, BytesThatWaitInTheSocketKeepNoThread) {
    read(1, {.id = 1, .tid = 11});
    answer(2, 1, 11);
    read(3, {.id = 2, .tid = 11});
    write(4, {.text = "second", .tid = 11});
    end(42, 1);
    answer(43, 2, 11);
    end(44, 2);
    EXPECT_EQ(of("second").request, 2U);
    EXPECT_EQ(of("second").confidence, 1.0F);
}

TEST_F(CorrelateRules, AGoroutineIsItsOwnThread) {
    read(1, {.id = 1, .tid = 11, .strand = 0xc000001});
    read(1, {.id = 2, .tid = 11, .strand = 0xc000002});
    write(2, {.text = "moved", .tid = 12, .strand = 0xc000001});
    write(2, {.text = "of none", .tid = 11, .strand = 0xc000003});
    end(3, 1, 12);
    end(3, 2, 12);
    EXPECT_EQ(of("moved").request, 1U);
    EXPECT_EQ(of("moved").match, LogMatch::thread);
    EXPECT_EQ(of("of none").match, LogMatch::candidates);
}

TEST_F(CorrelateRules, AThreadWithoutRequestsGoesByProcess) {
    read(1, {.id = 1, .tid = 11});
    write(2, {.text = "from the logger", .tid = 99});
    end(3, 1, 11);
    write(20, {.text = "after", .tid = 99});
    EXPECT_EQ(of("from the logger").match, LogMatch::process);
    EXPECT_EQ(of("from the logger").request, 1U);
    EXPECT_EQ(of("after").match, LogMatch::process);
    EXPECT_LT(of("after").confidence, of("from the logger").confidence);
}

// A logger's thread may lag: a request that has just ended is a candidate beside the open one.
TEST_F(CorrelateRules, AProcessThatJustEndedAnotherIsNotCertain) {
    read(1, {.id = 1, .tid = 11});
    end(2, 1, 11);
    read(3, {.id = 2, .tid = 11});
    write(4, {.text = "lagging", .tid = 99});
    end(5, 2, 11);
    EXPECT_EQ(of("lagging").match, LogMatch::candidates);
    EXPECT_EQ(of("lagging").candidates, 2U);
}

TEST_F(CorrelateRules, AnIdWinsOverAll) {
    read(1, {.id = 1, .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"});
    read(1, {.id = 2, .request_id = "r-2"});
    write(2, {.text = "traced", .tid = 99, .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"});
    write(2, {.text = "named", .request_id = "r-2"});
    write(2, {.text = "elsewhere", .tid = 99, .trace_id = "00000000000000000000000000000001"});
    end(3, 1);
    end(3, 2);
    EXPECT_EQ(of("traced").request, 1U);
    EXPECT_EQ(of("traced").match, LogMatch::trace);
    EXPECT_EQ(of("named").request, 2U);
    EXPECT_EQ(of("elsewhere").match, LogMatch::candidates);
}

// Two services of one machine see the same trace: a line belongs to the request of the process that wrote it.
TEST_F(CorrelateRules, OneTraceInTwoServices) {
    const std::string id = "4bf92f3577b34da6a3ce929d0e0e4736";
    read(1, {.id = 1, .pid = 10, .tid = 10, .trace_id = id});
    read(2, {.id = 2, .pid = 20, .tid = 20, .trace_id = id});
    write(3, {.text = "inner", .pid = 20, .tid = 21, .trace_id = id});
    write(3, {.text = "third", .pid = 30, .tid = 30, .trace_id = id});
    end(4, 2);
    end(5, 1);
    EXPECT_EQ(of("inner").request, 2U);
    EXPECT_EQ(of("third").match, LogMatch::none);
}

TEST_F(CorrelateRules, AnAccessLineFindsItsRequest) {
    read(1, {.id = 1, .path = "/a"});
    read(1, {.id = 2, .path = "/b", .port = 5001});
    read(1, {.id = 3, .path = "/b", .port = 5002});
    write(2, {.text = "a", .access = {.method = "GET", .path = "/a?x=1", .protocol = {}, .client = {}}});
    write(2, {.text = "b", .access = {.method = "GET", .path = "/b", .protocol = {}, .client = {}}});
    write(2, {.text = "port", .access = {.method = "GET", .path = "/b", .protocol = {}, .client = "127.0.0.1:5002"}});
    for (std::uint64_t id = 1; id <= 3; ++id) end(3, id, 10);
    EXPECT_EQ(of("a").match, LogMatch::access);
    EXPECT_EQ(of("a").request, 1U);
    EXPECT_EQ(of("b").match, LogMatch::candidates);
    EXPECT_EQ(of("port").request, 3U);
    EXPECT_EQ(of("port").confidence, 1.0F);
}

TEST_F(CorrelateRules, WhatWasDroppedHoldsNobodyUp) {
    read(1, {.id = 1});
    correlator_.request_dropped(1);
    read(2, {.id = 2});
    write(3, {.text = "x"});
    end(4, 2, 10);
    EXPECT_EQ(of("x").request, 2U);
    EXPECT_EQ(of("x").confidence, 1.0F);
}

}  // namespace
}  // namespace sonde
