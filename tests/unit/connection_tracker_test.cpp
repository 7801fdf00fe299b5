#include "agent/pipeline/connection_tracker.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/pipeline/decoder.hpp"
#include "agent/source/synthetic_source.hpp"

namespace sonde {
namespace {

constexpr std::uint32_t request_start = 4'294'967'290;  // the sequence numbers wrap early on
constexpr std::uint32_t response_start = 1000;
constexpr std::uint64_t ms = 1'000'000;

// Builds one server connection segment by segment and collects what comes out.
class TrackerTest : public testing::Test, protected RecordHandler {
protected:
    void SetUp() override { source_.conn_open(1, 1, true, 8080); }

    void on_record(std::span<const std::byte> record) override {
        const auto event = decode(record);
        ASSERT_TRUE(event);
        std::visit(
            [&](const auto& e) {
                if constexpr (requires { tracker_->on(e); }) tracker_->on(e);
            },
            *event);
    }

    void request(std::string_view bytes, std::uint64_t time_ns, bool continued = false) {
        source_.head({.time_ns = time_ns,
                      .request = true,
                      .seq = request_seq_,
                      .ack = response_seq_,
                      .bytes = bytes,
                      .continued = continued});
        request_seq_ += static_cast<std::uint32_t>(bytes.size());
    }
    void response(std::string_view bytes, std::uint64_t time_ns, std::uint32_t length = 0, bool continued = false,
                  const sonde_thread_clock& thread = {}) {
        source_.head({.time_ns = time_ns,
                      .request = false,
                      .outgoing = true,
                      .seq = response_seq_,
                      .ack = request_seq_,
                      .bytes = bytes,
                      .length = length,
                      .continued = continued,
                      .thread = thread});
        response_seq_ += length != 0 ? length : static_cast<std::uint32_t>(bytes.size());
    }
    void response_progress(std::uint32_t length, std::uint64_t time_ns, std::string_view tail = {},
                           std::uint8_t flags = SONDE_TCP_PSH) {
        source_.progress({.time_ns = time_ns,
                          .outgoing = true,
                          .seq = response_seq_,
                          .bytes = tail,
                          .length = length,
                          .tcp_flags = flags});
        response_seq_ += length;
    }
    void read(std::uint64_t time_ns, const sonde_thread_clock& thread) {
        source_.read(1, time_ns, request_seq_, thread);
    }
    const std::vector<Transaction>& play() {
        const auto polled = source_.poll(*this, 0);
        EXPECT_TRUE(polled);
        return done_;
    }

    SyntheticSource source_;
    std::vector<Transaction> done_;
    std::uint32_t request_seq_ = request_start;
    std::uint32_t response_seq_ = response_start;
    // large: it counts reads per thread in place
    std::unique_ptr<ConnectionTracker> tracker_ = std::make_unique<ConnectionTracker>(
        TrackerLimits{}, [this](Transaction& t, std::uint32_t) { done_.push_back(t); });
};

constexpr std::string_view get = "GET /a?q=1 HTTP/1.1\r\nHost: h\r\n\r\n";
constexpr std::string_view ok5 = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

TEST_F(TrackerTest, PairsARequestWithItsResponse) {
    request(get, 10 * ms);
    response(ok5, 15 * ms);
    ASSERT_EQ(play().size(), 1U);
    const auto& t = done_[0];
    EXPECT_EQ(t.method.view(), "GET");
    EXPECT_EQ(t.path.view(), "/a");
    EXPECT_EQ(t.status, 200);
    EXPECT_EQ(t.outcome, Outcome::ok);
    EXPECT_EQ(t.duration_ns, 5 * ms);
    EXPECT_EQ(t.request_bytes, get.size());
    EXPECT_EQ(t.response_bytes, ok5.size());
    EXPECT_EQ(t.response_body_bytes, 5);
    EXPECT_EQ(t.server.port, 8080);
}

TEST_F(TrackerTest, TheClientBehindATrustedProxy) {
    tracker_->set_trusted_proxies(*TrustedProxies::parse({"0.0.0.0/0"}));
    request("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 2001:db8::9\r\n\r\n", 10 * ms);
    response(ok5, 15 * ms);
    request(get, 20 * ms);
    response(ok5, 25 * ms);
    ASSERT_EQ(play().size(), 2U);
    EXPECT_EQ(done_[0].client_ip.family, AF_INET6);
    EXPECT_EQ(done_[0].client_ip.address, parse_address("2001:db8::9").address);
    EXPECT_EQ(done_[1].client_ip.family, AF_INET);
    EXPECT_EQ(done_[1].client_ip.address, done_[1].client.address);
}

TEST_F(TrackerTest, SplitsTheTimeIntoPhasesThatAddUp) {
    request(get, 10 * ms);
    read(12 * ms, {.tgid = 7, .tid = 8, .cpu_ns = 100 * ms, .runqueue_ns = 50 * ms});
    response("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", 20 * ms, 0, false,
             {.tgid = 7, .tid = 8, .cpu_ns = 103 * ms, .runqueue_ns = 51 * ms});
    response_progress(5, 24 * ms);
    ASSERT_EQ(play().size(), 1U);
    const std::array<std::int64_t, phase_count> expected{2 * ms, 0, 3 * ms, 1 * ms, 4 * ms, 4 * ms};
    EXPECT_EQ(done_[0].phase_ns, expected);
    EXPECT_EQ(done_[0].duration_ns, 14 * ms);
}

// A body's end that waited in the kernel comes with the next request's head, and has its own time.
TEST_F(TrackerTest, ProgressThatWaitedEndsTheResponseBefore) {
    request(get, 10 * ms);
    response("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", 20 * ms);
    const SyntheticSource::Segment end{
        .time_ns = 24 * ms, .outgoing = true, .seq = response_seq_, .bytes = "world", .length = 5};
    response_seq_ += 5;
    source_.request({.time_ns = 90 * ms, .seq = request_seq_, .ack = response_seq_, .bytes = get, .before = &end});
    request_seq_ += static_cast<std::uint32_t>(get.size());
    response(ok5, 95 * ms);
    ASSERT_EQ(play().size(), 2U);
    EXPECT_EQ(done_[0].duration_ns, 14 * ms);
    EXPECT_EQ(done_[0].response_body_bytes, 10);
    EXPECT_EQ(done_[1].duration_ns, 5 * ms);
}

TEST_F(TrackerTest, CpuIsUnobservedWhereTheThreadTookUpAnotherRequest) {
    request(get, 10 * ms);
    read(11 * ms, {.tgid = 7, .tid = 8, .cpu_ns = 1, .runqueue_ns = 1});
    source_.conn_open(2, 11 * ms, true, 8080);
    source_.head({.cookie = 2, .time_ns = 11 * ms, .seq = 5, .bytes = get});
    source_.read(2, 12 * ms, 5 + static_cast<std::uint32_t>(get.size()),
                 {.tgid = 7, .tid = 8, .cpu_ns = 2, .runqueue_ns = 1});
    response(ok5, 15 * ms, 0, false, {.tgid = 7, .tid = 8, .cpu_ns = 3 * ms, .runqueue_ns = 1});
    ASSERT_EQ(play().size(), 1U);
    EXPECT_EQ(done_[0].phase_ns[static_cast<std::size_t>(Phase::queue)], 1 * static_cast<std::int64_t>(ms));
    EXPECT_EQ(done_[0].phase_ns[static_cast<std::size_t>(Phase::cpu)], unobserved_ns);
    EXPECT_EQ(done_[0].phase_ns[static_cast<std::size_t>(Phase::blocked)], unobserved_ns);
}

// An event loop: it waited 6 of the 10 ms that the request was open, whoever the other 4 were for.
TEST_F(TrackerTest, WhatASoleThreadWaitedIsObservedWhoeverItServedMeanwhile) {
    const auto overlapped = [&](std::uint64_t at) {
        request(get, at);
        read(at, {.tgid = 7, .tid = 8, .cpu_ns = at, .runqueue_ns = 1 * ms});
        source_.read(2, at, 5, {.tgid = 7, .tid = 8, .cpu_ns = at, .runqueue_ns = 1 * ms});
        response(ok5, at + 10 * ms, 0, false, {.tgid = 7, .tid = 8, .cpu_ns = at + 3 * ms, .runqueue_ns = 2 * ms});
    };
    source_.conn_open(2, 1 * ms, true, 8080);
    std::uint64_t at = 10 * ms;
    for (int i = 0; i < 20; ++i, at += 20 * ms) overlapped(at);
    ASSERT_EQ(play().size(), 20U);
    const auto& early = done_.front().phase_ns;
    EXPECT_EQ(early[static_cast<std::size_t>(Phase::blocked)], unobserved_ns) << "one request proves nothing";
    const std::array<std::int64_t, phase_count> expected{0, 0, unobserved_ns, 1 * ms, 6 * ms, 0};
    EXPECT_EQ(done_.back().phase_ns, expected);

    // one request goes on on another thread: from then on any may
    request(get, at);
    read(at, {.tgid = 7, .tid = 8, .cpu_ns = at, .runqueue_ns = 1 * ms});
    response(ok5, at + 10 * ms, 0, false, {.tgid = 7, .tid = 9, .cpu_ns = 1, .runqueue_ns = 1});
    overlapped(at + 20 * ms);
    ASSERT_EQ(play().size(), 22U);
    EXPECT_EQ(done_.back().phase_ns[static_cast<std::size_t>(Phase::blocked)], unobserved_ns);

    // the next program with that number starts anew
    tracker_->process_ended(7);
    at += 100 * ms;
    for (int i = 0; i < 20; ++i, at += 20 * ms) overlapped(at);
    ASSERT_EQ(play().size(), 42U);
    EXPECT_EQ(done_.back().phase_ns, expected);
}

TEST_F(TrackerTest, CpuIsUnobservedWhereAnotherThreadAnswers) {
    request(get, 10 * ms);
    read(11 * ms, {.tgid = 7, .tid = 8, .cpu_ns = 1, .runqueue_ns = 1});
    response(ok5, 15 * ms, 0, false, {.tgid = 7, .tid = 9, .cpu_ns = 3 * ms, .runqueue_ns = 1});
    ASSERT_EQ(play().size(), 1U);
    EXPECT_EQ(done_[0].phase_ns[static_cast<std::size_t>(Phase::cpu)], unobserved_ns);
}

TEST_F(TrackerTest, PairsAPipelineInOneSegment) {
    const auto three = std::string(get) + std::string(get) + std::string(get);
    request(three, 10 * ms);
    response(std::string(ok5) + "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 11 * ms);
    response("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 12 * ms);
    ASSERT_EQ(play().size(), 3U);
    EXPECT_EQ(done_[0].status, 200);
    EXPECT_EQ(done_[1].status, 404);
    EXPECT_EQ(done_[2].status, 500);
    EXPECT_EQ(done_[2].outcome, Outcome::error);
    for (const auto& t : done_) EXPECT_EQ(t.request_bytes, get.size());
}

// Every request head cut in two at every byte gives the same transaction.
TEST_F(TrackerTest, HeadsCutAtEveryByte) {
    for (std::size_t cut = 1; cut < get.size(); ++cut) {
        request(get.substr(0, cut), 10 * ms);
        request(get.substr(cut), 11 * ms, true);
        response(ok5, 12 * ms);
    }
    constexpr std::string_view head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for (std::size_t cut = 1; cut < head.size(); ++cut) {
        request(get, 10 * ms);
        response(head.substr(0, cut), 11 * ms);
        response(std::string(head.substr(cut)) + "hello", 12 * ms, 0, true);
    }
    ASSERT_EQ(play().size(), get.size() - 1 + head.size() - 1);
    for (const auto& t : done_) {
        EXPECT_EQ(t.path.view(), "/a");
        EXPECT_EQ(t.request_bytes, get.size());
        EXPECT_EQ(t.response_bytes, ok5.size());
        EXPECT_EQ(t.duration_ns, 2 * ms);
    }
}

TEST_F(TrackerTest, ALostResponseNeverGoesToAnotherRequest) {
    request(get, 10 * ms);
    response_seq_ += 500;  // the response was sent, its record was not
    request("GET /b HTTP/1.1\r\nHost: h\r\n\r\n", 20 * ms);
    response(ok5, 25 * ms);
    ASSERT_EQ(play().size(), 2U);
    EXPECT_EQ(done_[0].path.view(), "/a");
    EXPECT_EQ(done_[0].status, 0);
    EXPECT_EQ(done_[0].outcome, Outcome::unobserved);
    EXPECT_EQ(done_[1].path.view(), "/b");
    EXPECT_EQ(done_[1].status, 200);
    EXPECT_EQ(done_[1].duration_ns, 5 * ms);
    EXPECT_EQ(tracker_->stats().lost_responses, 1U);
}

TEST_F(TrackerTest, ALostRequestLeavesItsResponseUnmatched) {
    response(ok5, 11 * ms);
    request(get, 12 * ms);
    response("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 13 * ms);
    ASSERT_EQ(play().size(), 1U);
    EXPECT_EQ(done_[0].status, 404);
    EXPECT_EQ(tracker_->stats().unmatched_responses, 1U);
}

// The kernel did not follow the body: what looks like its end is one if nothing comes after it.
TEST_F(TrackerTest, AChunkedBodyThatNobodyFollowedEndsInSilence) {
    request(get, 10 * ms);
    response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 11 * ms);
    response_progress(4000, 12 * ms, "somebyte");
    response_progress(4005, 20 * ms, "\r\n0\r\n\r\n");
    EXPECT_TRUE(play().empty());
    tracker_->tick(3'000 * ms);
    ASSERT_EQ(done_.size(), 1U);
    EXPECT_EQ(done_[0].response_body_bytes, 8005);
    EXPECT_EQ(done_[0].duration_ns, 10 * ms);
}

TEST_F(TrackerTest, CloseDelimitedEndsWithFin) {
    request("GET /a HTTP/1.0\r\n\r\n", 10 * ms);
    response("HTTP/1.0 200 OK\r\n\r\n", 11 * ms);
    response_progress(5000, 12 * ms);
    response_progress(0, 13 * ms, {}, SONDE_TCP_FIN);
    ASSERT_EQ(play().size(), 1U);
    EXPECT_EQ(done_[0].response_body_bytes, 5000);
    EXPECT_EQ(done_[0].duration_ns, 2 * ms) << "the time of the last byte, not of the FIN";
    EXPECT_EQ(done_[0].protocol, Protocol::http1_0);
}

TEST_F(TrackerTest, NoBodyFollowsHead204And304) {
    for (const std::string_view response_head :
         {"HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 304 No\r\nContent-Length: 99\r\n\r\n"}) {
        request(get, 10 * ms);
        response(response_head, 11 * ms);
    }
    request("HEAD /a HTTP/1.1\r\n\r\n", 10 * ms);
    response("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 11 * ms);
    ASSERT_EQ(play().size(), 3U);
    for (const auto& t : done_) EXPECT_EQ(t.response_body_bytes, 0);
}

TEST_F(TrackerTest, InterimResponsesAreNoAnswer) {
    request("POST /a HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", 10 * ms);
    response("HTTP/1.1 100 Continue\r\n\r\n", 11 * ms);
    request("body", 12 * ms);
    response(ok5, 13 * ms);
    ASSERT_EQ(play().size(), 1U);
    EXPECT_EQ(done_[0].status, 200);
    EXPECT_EQ(done_[0].request_body_bytes, 4);
    EXPECT_EQ(done_[0].response_bytes, ok5.size());
}

TEST_F(TrackerTest, ABodyThatLooksLikeARequestIsABody) {
    request("POST /a HTTP/1.1\r\nContent-Length: " + std::to_string(get.size()) + "\r\n\r\n", 10 * ms);
    request(get, 11 * ms);
    response(ok5, 12 * ms);
    ASSERT_EQ(play().size(), 1U);
    EXPECT_EQ(done_[0].request_body_bytes, static_cast<std::int64_t>(get.size()));
}

TEST_F(TrackerTest, APeerThatLeavesAbortsTheRequest) {
    request(get, 10 * ms);
    response("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", 11 * ms);
    source_.conn_close(1, 12 * ms, ECONNRESET);
    ASSERT_EQ(play().size(), 1U);
    EXPECT_EQ(done_[0].outcome, Outcome::aborted);
    EXPECT_EQ(done_[0].status, 200);
    EXPECT_EQ(done_[0].response_body_bytes, 5);
    EXPECT_EQ(tracker_->stats().connections, 0U);
}

class TlsCloseTest : public TrackerTest {
protected:
    void head(bool is_request, std::string_view bytes, std::uint64_t time_ns) {
        source_.head({.time_ns = time_ns,
                      .request = is_request,
                      .outgoing = !is_request,
                      .ack = is_request ? 0U : static_cast<std::uint32_t>(get.size()),
                      .bytes = bytes,
                      .tls = true});
    }
};

TEST_F(TlsCloseTest, AnAnswerIsToldAfterItsSocketsEnd) {
    head(true, get, 10 * ms);
    source_.conn_close(1, 12 * ms, ECONNRESET);
    head(false, ok5, 12 * ms + 5000);
    ASSERT_EQ(play().size(), 1U);
    EXPECT_EQ(done_[0].outcome, Outcome::ok);
    EXPECT_EQ(done_[0].status, 200);
    EXPECT_EQ(tracker_->stats().connections, 1U);
    tracker_->tick(300 * ms);
    EXPECT_EQ(tracker_->stats().connections, 0U);
    EXPECT_EQ(done_.size(), 1U);
}

TEST_F(TlsCloseTest, WithoutOneTheRequestIsAbortedALittleLater) {
    head(true, get, 10 * ms);
    source_.conn_close(1, 12 * ms, ECONNRESET);
    EXPECT_TRUE(play().empty());
    tracker_->tick(200 * ms);
    EXPECT_TRUE(done_.empty());
    tracker_->tick(300 * ms);
    ASSERT_EQ(done_.size(), 1U);
    EXPECT_EQ(done_[0].outcome, Outcome::aborted);
    EXPECT_EQ(done_[0].status, 0);
    EXPECT_EQ(tracker_->stats().connections, 0U);
}

TEST_F(TlsCloseTest, TheLibrarysWordEndsTheWait) {
    head(true, get, 10 * ms);
    source_.conn_close(1, 12 * ms);
    source_.conn_close(1, 13 * ms, 0, true);
    ASSERT_EQ(play().size(), 1U);
    EXPECT_EQ(done_[0].outcome, Outcome::error) << "closed in order, and without an answer";
    EXPECT_EQ(tracker_->stats().connections, 0U);
}

TEST_F(TlsCloseTest, TheEndOfTheSourceEndsItToo) {
    head(true, get, 10 * ms);
    source_.conn_close(1, 12 * ms, ECONNRESET);
    EXPECT_TRUE(play().empty());
    tracker_->finish();
    ASSERT_EQ(done_.size(), 1U);
    EXPECT_EQ(done_[0].outcome, Outcome::aborted);
}

TEST_F(TrackerTest, AHeadLongerThanTheCaptureEndsAtTheTurn) {
    request(get, 10 * ms);
    response("HTTP/1.1 200 OK\r\nSet-Cookie: aaaa", 11 * ms, 3000);
    request(get, 20 * ms);
    response(ok5, 21 * ms);
    ASSERT_EQ(play().size(), 2U);
    EXPECT_EQ(done_[0].status, 200);
    EXPECT_EQ(done_[0].response_bytes, 3000U);
    EXPECT_EQ(done_[0].response_body_bytes, -1) << "where the head ended was not seen";
    EXPECT_EQ(done_[0].duration_ns, 1 * ms);
}

TEST_F(TrackerTest, WhatIsNotHttpIsCountedAndLeftAlone) {
    request("GET /a RTSP/1.0\r\n\r\n", 10 * ms);
    request(get, 11 * ms);
    EXPECT_TRUE(play().empty());
    EXPECT_EQ(tracker_->stats().unreadable_connections, 1U);
}

TEST_F(TrackerTest, TheTableIsBounded) {
    tracker_ = std::make_unique<ConnectionTracker>(TrackerLimits{.max_connections = 4},
                                                   [this](Transaction& t, std::uint32_t) { done_.push_back(t); });
    for (std::uint64_t cookie = 1; cookie <= 10; ++cookie) source_.conn_open(cookie, cookie, true, 80);
    play();
    EXPECT_EQ(tracker_->stats().connections, 4U);
    EXPECT_GE(tracker_->stats().evicted_connections, 6U);
}

// Nobody tells when a Unix socket is closed.
TEST_F(TrackerTest, ForgetsUnixConnectionsThatAreSilent) {
    const auto silent_ns = TrackerLimits{}.silent_unix_ns;
    tracker_->on(ConnOpen{.cookie = 2, .time_ns = 0, .local = {.family = AF_UNIX}, .remote = {.family = AF_UNIX}});
    tracker_->on(ConnOpen{.cookie = 3, .time_ns = 0, .local = {.family = AF_INET}, .remote = {.family = AF_INET}});
    EXPECT_EQ(tracker_->stats().connections, 2U);
    tracker_->tick(silent_ns);
    EXPECT_EQ(tracker_->stats().connections, 2U);
    tracker_->tick(silent_ns + 1);
    EXPECT_EQ(tracker_->stats().connections, 1U);
}

TEST_F(TrackerTest, KeepsASilentUnixConnectionWhoseRequestIsOpen) {
    request(get, 10 * ms);
    play();
    tracker_->on(
        ConnOpen{.cookie = 1, .time_ns = 10 * ms, .local = {.family = AF_UNIX}, .remote = {.family = AF_UNIX}});
    tracker_->tick(3600'000 * ms);
    EXPECT_EQ(tracker_->stats().connections, 1U);
}

}  // namespace
}  // namespace sonde
