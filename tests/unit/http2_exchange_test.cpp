#include "agent/pipeline/http2_exchange.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "agent/pipeline/connection_tracker.hpp"
#include "tests/support/http2_wire.hpp"

namespace sonde {
namespace {

using test::request_fields;

constexpr std::uint64_t cookie = 7;

// A tracker that gets one request and its answer as frames.
class Http2ExchangeTest : public testing::Test {
protected:
    void announce(Side side) {
        ConnOpen open;
        open.cookie = cookie;
        open.side = side;
        open.local.family = open.remote.family = AF_INET;
        open.local.address = open.remote.address = {127, 0, 0, 1};
        open.local.port = 443;
        open.remote.port = 51000;
        tracker_.on(open);
    }
    void exchange(Side side, bool tls, bool no_endpoints = false, const test::Fields& more = {}) {
        test::Deflater requests, responses;
        auto fields = request_fields("/a");
        fields.insert(fields.end(), more.begin(), more.end());
        send(client_, 0, side, side == Side::client, tls, no_endpoints,
             std::string(test::http2_preface) + requests.headers(1, fields, SONDE_HTTP2_END_STREAM));
        send(server_, 0, side, side == Side::server, tls, no_endpoints,
             responses.headers(1, {{":status", "204"}}, SONDE_HTTP2_END_STREAM));
    }
    void send(test::Walker& walker, std::uint32_t seq, Side side, bool outgoing, bool tls, bool no_endpoints,
              std::string_view bytes) {
        for (const auto& piece : walker.segment(seq, bytes)) {
            Http2Frames event;
            event.cookie = cookie;
            event.time_ns = ++now_ns_;
            event.side = side;
            event.outgoing = outgoing;
            event.tls = tls;
            event.no_endpoints = no_endpoints;
            event.starts = piece.begin.started == 0;
            event.seq = piece.begin.next_seq;
            event.length = piece.length;
            event.left = piece.begin.left;
            event.keep = piece.begin.keep;
            event.bytes = piece.bytes;
            tracker_.on(event);
        }
    }

    std::vector<Transaction> done_;
    ConnectionTracker tracker_{{}, [this](Transaction& t, std::uint32_t) { done_.push_back(t); }};
    test::Walker client_{0, true}, server_{0};
    std::uint64_t now_ns_ = 1000;
};

TEST_F(Http2ExchangeTest, OfPacketsNeedsTheAnnouncedConnection) {
    exchange(Side::server, false);
    EXPECT_TRUE(done_.empty());
    EXPECT_EQ(tracker_.http2_stats().orphan_records, 2u);
}

TEST_F(Http2ExchangeTest, OfPacketsHasItsEndpoints) {
    announce(Side::server);
    exchange(Side::server, false);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_FALSE(done_[0].tls);
    EXPECT_EQ(done_[0].server.port, 443);
    EXPECT_EQ(done_[0].client.port, 51000);
}

TEST_F(Http2ExchangeTest, ProxiesOfThisMachineTellTheClient) {
    announce(Side::server);
    exchange(Side::server, false, false, {{"x-forwarded-for", "192.0.2.7"}});
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_EQ(done_[0].client_ip.family, AF_INET);
    EXPECT_EQ(done_[0].client_ip.address[3], 7);
}

TEST_F(Http2ExchangeTest, AClientThatDidNotFitIsNotKnown) {
    announce(Side::server);
    std::string list(3000, ' ');
    exchange(Side::server, false, false, {{"x-forwarded-for", "192.0.2.7," + list + "127.0.0.1"}});
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_EQ(done_[0].client_ip.family, 0);
}

TEST_F(Http2ExchangeTest, OfPlaintextSaysItselfWhoseItIs) {
    for (const auto side : {Side::server, Side::client}) {
        exchange(side, true);
        ASSERT_EQ(done_.size(), 1u);
        EXPECT_TRUE(done_[0].tls);
        EXPECT_EQ(done_[0].side, side);
        EXPECT_EQ(done_[0].status, 204);
        EXPECT_EQ(done_[0].server.family, 0);  // not observed
        done_.clear();
        tracker_.on(ConnClose{.cookie = cookie});
        client_ = test::Walker(0, true);
        server_ = test::Walker(0);
    }
}

// A socket that was open before anybody looked is announced before its role is known.
TEST_F(Http2ExchangeTest, OfPlaintextCorrectsARoleThatWasAGuess) {
    ConnOpen open;
    open.cookie = cookie;
    open.side = Side::client;
    open.side_known = false;
    open.local.family = open.remote.family = AF_INET;
    open.local.port = 443;
    tracker_.on(open);
    exchange(Side::server, true);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_EQ(done_[0].side, Side::server);
    EXPECT_EQ(done_[0].server.port, 443);
}

TEST_F(Http2ExchangeTest, OfAWrongTieHasNoEndpoints) {
    announce(Side::server);
    exchange(Side::server, true, true);
    ASSERT_EQ(done_.size(), 1u);
    EXPECT_EQ(done_[0].server.family, 0);
}

}  // namespace
}  // namespace sonde
