#include "agent/pipeline/parent_links.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <vector>

namespace sonde {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint32_t pid = 100;

Endpoint endpoint(std::uint8_t last, std::uint16_t port) {
    Endpoint e;
    e.family = AF_INET;
    e.address = {127, 0, 0, last};
    e.port = port;
    return e;
}

// What the tracker would tell, and the transactions that come of it.
class ParentLinksTest : public testing::Test {
protected:
    // span: its name. The request is read at_ms after the beginning of time.
    void read(std::uint64_t span, std::uint32_t tid, std::uint64_t at_ms, std::string_view trace_id = {},
              std::string_view request_id = {}, std::uint32_t of = pid, const Endpoint& client = {},
              const Endpoint& server = {}) {
        Transaction t;
        t.trace.span_id = span;
        t.trace.trace_id.assign(trace_id);
        t.trace.request_id.assign(request_id);
        links_.request_read({t, client, server, of, tid, 0, at_ms * ms});
    }
    Transaction sent(std::uint64_t span, std::uint32_t tid, std::uint64_t at_ms, std::string_view trace_id = {},
                     std::string_view request_id = {}, const Endpoint& client = {}, const Endpoint& server = {}) {
        Transaction t;
        t.side = Side::client;
        t.method.assign("GET");
        t.trace.span_id = span;
        t.trace.trace_id.assign(trace_id);
        t.trace.request_id.assign(request_id);
        t.time_ns = at_ms * ms;
        links_.request_sent({t, client, server, pid, tid, at_ms * ms});
        return t;
    }
    Transaction call_ends(Transaction t, std::uint64_t at_ms, std::uint16_t status = 200) {
        t.duration_ns = at_ms * ms - t.time_ns;
        t.status = status;
        t.outcome = Outcome::ok;
        t.route = "/stock/{id}";
        links_.ended(t, true);
        return t;
    }
    void answered(std::uint64_t span, std::uint32_t tid, std::uint64_t at_ms, std::uint32_t of = pid) {
        ThreadClock by;
        by.pid = of;
        by.tid = tid;
        links_.response_began(span, by, at_ms * ms);
    }
    Transaction request_ends(std::uint64_t span, std::uint64_t first_ms, std::uint64_t last_ms,
                             std::string_view service = "shop", bool may_wait = false) {
        Transaction t;
        t.trace.span_id = span;
        t.time_ns = first_ms * ms;
        t.duration_ns = (last_ms - first_ms) * ms;
        t.service = service;
        links_.ended(t, may_wait);
        if (may_wait && links_.hold(t)) ++held_;
        return t;
    }
    // Shows that the process serves one request per thread: pairs of requests at once on two threads.
    void prove_threads(std::uint32_t first_tid = 900) {
        for (std::uint64_t i = 0; i < 8; ++i) {
            const auto a = 0x10000 + 2 * i, b = a + 1;
            read(a, first_tid, i);
            read(b, first_tid + 1, i);
            answered(a, first_tid, i);
            answered(b, first_tid + 1, i);
            request_ends(a, i, i);
            request_ends(b, i, i);
        }
    }
    static ParentMatch match_of(const Transaction& t) { return t.trace.parent_match; }

    int held_ = 0;
    std::vector<Transaction> released_;
    ParentLinks links_{{}, [this](Transaction& t) { released_.push_back(t); }};
};

TEST_F(ParentLinksTest, TheOnlyOpenRequestOfTheProcess) {
    read(1, 7, 10);
    const auto call = call_ends(sent(2, 8, 12), 15);
    EXPECT_EQ(call.trace.parent, 1u);
    EXPECT_EQ(match_of(call), ParentMatch::process);
    const auto request = request_ends(1, 9, 20);
    ASSERT_TRUE(request.downstream);
    ASSERT_EQ(request.downstream->count, 1u);
    const auto& told = request.downstream->calls[0];
    EXPECT_EQ(told.span_id, 2u);
    EXPECT_EQ(told.start_ns, 3 * ms);
    EXPECT_EQ(told.duration_ns, static_cast<std::int64_t>(3 * ms));
    EXPECT_EQ(told.status, 200);
    EXPECT_EQ(told.route, "/stock/{id}");
    EXPECT_EQ(request.downstream->waited_ns, 3 * ms);
    EXPECT_EQ(call.trace.trace_id.view(), request.trace.trace_id.view());
    EXPECT_EQ(call.trace.trace_id.view().size(), 32u);
}

TEST_F(ParentLinksTest, SeveralOpenRequestsNameNobody) {
    read(1, 7, 10);
    read(2, 7, 11);
    const auto call = call_ends(sent(3, 7, 12), 13);
    EXPECT_EQ(call.trace.parent, 0u);
    EXPECT_TRUE(call.trace.trace_id.empty());
    EXPECT_FALSE(request_ends(1, 10, 20).downstream);
    EXPECT_FALSE(request_ends(2, 10, 20).downstream);
}

TEST_F(ParentLinksTest, NobodyIsServedOrItIsAnotherProcess) {
    EXPECT_EQ(match_of(call_ends(sent(3, 7, 12), 13)), ParentMatch::none);
    read(1, 7, 10, {}, {}, pid + 1);
    EXPECT_EQ(match_of(call_ends(sent(4, 7, 14), 15)), ParentMatch::none);
}

TEST_F(ParentLinksTest, ARequestThatIsBeingAnsweredMakesNoCallForCertain) {
    read(1, 7, 10);
    answered(1, 7, 12);
    EXPECT_EQ(match_of(call_ends(sent(3, 7, 13), 14)), ParentMatch::none);
    // and beside it nobody is the only one
    read(2, 8, 14);
    EXPECT_EQ(match_of(call_ends(sent(4, 8, 15), 16)), ParentMatch::none);
}

TEST_F(ParentLinksTest, AThreadCountsOnceItsProcessHasShownHowItServes) {
    read(1, 7, 10);
    read(2, 8, 11);
    EXPECT_EQ(match_of(call_ends(sent(3, 8, 12), 13)), ParentMatch::none);
    request_ends(1, 10, 14);
    request_ends(2, 10, 14);
    prove_threads();
    read(4, 7, 100);
    read(5, 8, 101);
    const auto call = call_ends(sent(6, 8, 102), 103);
    EXPECT_EQ(call.trace.parent, 5u);
    EXPECT_EQ(match_of(call), ParentMatch::thread);
    // there, a thread that serves nobody works for itself, even where one request is open
    request_ends(4, 100, 104);
    EXPECT_EQ(match_of(call_ends(sent(7, 9, 105), 106)), ParentMatch::none);
}

TEST_F(ParentLinksTest, OneThreadWithTwoRequestsIsAnEventLoop) {
    prove_threads();
    read(1, 7, 100);
    read(2, 7, 101);
    request_ends(1, 100, 102);
    request_ends(2, 100, 102);
    read(3, 7, 103);
    read(4, 8, 104);
    EXPECT_EQ(match_of(call_ends(sent(5, 8, 105), 106)), ParentMatch::none);
}

TEST_F(ParentLinksTest, ARequestPassedToAnotherThreadIsNoThreadsOwn) {
    prove_threads();
    read(1, 7, 100);
    answered(1, 8, 101);
    request_ends(1, 100, 102);
    read(3, 7, 103);
    read(4, 8, 104);
    EXPECT_EQ(match_of(call_ends(sent(5, 8, 105), 106)), ParentMatch::none);
}

TEST_F(ParentLinksTest, AnAnswerInAnotherProcessContextSaysNothing) {
    prove_threads();
    read(1, 7, 100);
    answered(1, 4711, 101, pid + 1);  // a retransmission, say: it left while another ran
    request_ends(1, 100, 102);
    read(3, 7, 103);
    read(4, 8, 104);
    EXPECT_EQ(match_of(call_ends(sent(5, 8, 105), 106)), ParentMatch::thread);
}

TEST_F(ParentLinksTest, TraceHeadersTellAmongMany) {
    const std::string a(32, 'a'), b(32, 'b');
    read(1, 7, 10, a);
    read(2, 7, 11, b);
    read(3, 7, 11, {}, "req-3");
    auto call = call_ends(sent(4, 7, 12, b), 13);
    EXPECT_EQ(call.trace.parent, 2u);
    EXPECT_EQ(match_of(call), ParentMatch::trace);
    EXPECT_EQ(call_ends(sent(5, 7, 12, {}, "req-3"), 13).trace.parent, 3u);
    read(6, 7, 14, b);  // a second request of the same trace
    EXPECT_EQ(match_of(call_ends(sent(7, 7, 15, b), 16)), ParentMatch::none);
}

TEST_F(ParentLinksTest, ACallOfAnotherTraceIsNotOfTheOnlyRequest) {
    read(1, 7, 10, std::string(32, 'a'));
    EXPECT_EQ(match_of(call_ends(sent(2, 7, 12, std::string(32, 'b')), 13)), ParentMatch::none);
    EXPECT_EQ(match_of(call_ends(sent(3, 7, 14), 15)), ParentMatch::process);
}

TEST_F(ParentLinksTest, OtherWorkOfTheProcessMakesItDoubtful) {
    links_.other_work_began(pid);
    read(1, 7, 10);
    EXPECT_EQ(match_of(call_ends(sent(2, 7, 12), 13)), ParentMatch::none);
    links_.other_work_ended(pid);
    EXPECT_EQ(match_of(call_ends(sent(3, 7, 14), 15)), ParentMatch::process);
}

TEST_F(ParentLinksTest, ARequestIsLinkedToTheCallOnItsConnection) {
    const auto client = endpoint(1, 50000), server = endpoint(1, 8080);
    read(1, 7, 10);
    const auto call = sent(2, 7, 12, {}, {}, client, server);
    read(3, 20, 13, {}, {}, pid + 1, client, server);
    const auto served = request_ends(3, 12, 15, "stock");
    EXPECT_EQ(served.trace.parent, 2u);
    EXPECT_EQ(match_of(served), ParentMatch::connection);
    const auto ended = call_ends(call, 16);
    const auto root = request_ends(1, 9, 20);
    ASSERT_TRUE(root.downstream);
    EXPECT_EQ(root.downstream->calls[0].service, "stock");
    EXPECT_EQ(root.downstream->calls[0].peer.port, 8080);
    // one trace from end to end, named after its beginning
    EXPECT_FALSE(root.trace.trace_id.empty());
    EXPECT_EQ(served.trace.trace_id.view(), root.trace.trace_id.view());
    EXPECT_EQ(ended.trace.trace_id.view(), root.trace.trace_id.view());
}

TEST_F(ParentLinksTest, IPv4OnASocketOfBothFamiliesIsTheSameConnection) {
    const auto mapped = [](const Endpoint& e) {
        Endpoint wide;
        wide.family = AF_INET6;
        wide.port = e.port;
        wide.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, e.address[3]};
        return wide;
    };
    const auto client = endpoint(1, 50000), server = endpoint(1, 8080);
    sent(1, 7, 10, {}, {}, client, server);
    read(3, 20, 12, {}, {}, pid + 1, mapped(client), mapped(server));
    EXPECT_EQ(match_of(request_ends(3, 12, 15)), ParentMatch::connection);
}

TEST_F(ParentLinksTest, ACallOutsideOfAnyRequestBeginsATrace) {
    const auto client = endpoint(1, 50000), server = endpoint(1, 8080);
    const auto call = sent(1, 7, 10, {}, {}, client, server);
    read(3, 20, 12, {}, {}, pid + 1, client, server);
    const auto served = request_ends(3, 12, 15);
    const auto ended = call_ends(call, 16);
    EXPECT_EQ(ended.trace.parent, 0u);
    EXPECT_FALSE(ended.trace.trace_id.empty());
    EXPECT_EQ(served.trace.trace_id.view(), ended.trace.trace_id.view());
}

TEST_F(ParentLinksTest, TwoCallsUnderWayOnAConnectionNameNobody) {
    const auto client = endpoint(1, 50000), server = endpoint(1, 8080);
    sent(1, 7, 10, {}, {}, client, server);
    sent(2, 7, 11, {}, {}, client, server);
    read(3, 20, 12, {}, {}, pid + 1, client, server);
    EXPECT_EQ(match_of(request_ends(3, 12, 15)), ParentMatch::none);
}

TEST_F(ParentLinksTest, WaitedIsTheTimeWithAnyCallUnderWay) {
    read(1, 7, 10);
    const auto a = sent(2, 7, 12), b = sent(3, 7, 14), c = sent(4, 7, 25), d = sent(5, 7, 28);
    call_ends(a, 18);
    call_ends(b, 16);  // inside the first
    call_ends(c, 26);
    answered(1, 7, 30);
    const auto request = request_ends(1, 10, 40);
    ASSERT_EQ(request.downstream->count, 4u);
    EXPECT_EQ(request.downstream->calls[3].duration_ns, -1);  // it outlived the request
    EXPECT_EQ(request.downstream->calls[3].status, 0);
    EXPECT_EQ(request.downstream->waited_ns, (6 + 1 + 2) * ms);
    call_ends(d, 50);  // nobody to tell any more
}

TEST_F(ParentLinksTest, ARequestWaitsForTheEndsOfItsCalls) {
    read(1, 7, 10);
    const auto a = sent(2, 7, 12), b = sent(3, 7, 14);
    call_ends(a, 13);
    answered(1, 7, 30);
    request_ends(1, 10, 40, "shop", true);
    EXPECT_EQ(held_, 1);
    links_.advance(100 * ms);
    EXPECT_TRUE(released_.empty());
    call_ends(b, 20);  // told late: it ended long before the request did
    ASSERT_EQ(released_.size(), 1u);
    const auto& calls = *released_[0].downstream;
    EXPECT_EQ(calls.calls[1].duration_ns, static_cast<std::int64_t>(6 * ms));
    EXPECT_EQ(calls.calls[1].start_ns, 4 * ms);
    EXPECT_EQ(calls.calls[1].status, 200);
    EXPECT_EQ(calls.waited_ns, (1 + 6) * ms);
    links_.finish();
    EXPECT_EQ(released_.size(), 1u);
}

TEST_F(ParentLinksTest, ItWaitsOnlySoLong) {
    for (const bool finishes : {false, true}) {
        released_.clear();
        read(1, 7, 10);
        const auto call = sent(2, 7, 12);
        answered(1, 7, 30);
        request_ends(1, 10, 40, "shop", true);
        if (finishes)
            links_.finish();
        else
            links_.advance(440 * ms);
        ASSERT_EQ(released_.size(), 1u);
        EXPECT_EQ(released_[0].downstream->calls[0].duration_ns, -1);
        EXPECT_EQ(released_[0].downstream->waited_ns, 18 * ms);
        call_ends(call, 500);  // nobody to tell any more
        EXPECT_EQ(released_.size(), 1u);
    }
}

TEST_F(ParentLinksTest, ItsCallsMayEndBeforeAnybodyAsksItToWait) {
    read(1, 7, 10);
    const auto call = sent(2, 7, 12);
    Transaction t;
    t.trace.span_id = 1;
    t.time_ns = 10 * ms;
    t.duration_ns = 10 * ms;
    links_.ended(t, true);
    call_ends(call, 15);
    EXPECT_FALSE(links_.hold(t));
    EXPECT_EQ(t.downstream->calls[0].duration_ns, static_cast<std::int64_t>(3 * ms));
    EXPECT_EQ(t.downstream->waited_ns, 3 * ms);
}

TEST_F(ParentLinksTest, CallsBeyondTheBoundAreCounted) {
    read(1, 7, 10);
    for (std::uint64_t i = 0; i < 20; ++i) call_ends(sent(100 + i, 7, 11 + i), 12 + i);
    const auto request = request_ends(1, 10, 40);
    EXPECT_EQ(request.downstream->count, DownstreamCalls::calls_max);
    EXPECT_EQ(request.downstream->dropped, 4u);
}

TEST_F(ParentLinksTest, ListsAreUsedAgainOnlyWhenNobodyReadsThem) {
    read(1, 7, 10);
    call_ends(sent(2, 7, 11), 12);
    const auto kept = request_ends(1, 10, 13);
    read(3, 7, 20);
    call_ends(sent(4, 7, 21), 22);
    const auto other = request_ends(3, 20, 23);
    EXPECT_EQ(kept.downstream->calls[0].span_id, 2u);
    EXPECT_EQ(other.downstream->calls[0].span_id, 4u);
}

TEST(ParentLinksRoom, AFullTableLosesSomeAndCountsThem) {
    ParentLinks links({.max_requests = 4, .max_calls = 4});
    for (std::uint64_t i = 1; i <= 10; ++i) {
        Transaction t;
        t.trace.span_id = i;
        links.request_read({t, {}, {}, pid, static_cast<std::uint32_t>(i), 0, i});
        t.side = Side::client;
        t.trace.span_id = 100 + i;
        links.request_sent({t, {}, {}, pid, 1, i});
    }
    EXPECT_EQ(links.stats().evicted.load(), 12u);
    links.process_ended(pid);
    links.dropped(10);
}

}  // namespace
}  // namespace sonde
