#include "agent/pipeline/http2_session.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "tests/support/http2_peer.hpp"

namespace sonde {
namespace {

using test::Fields;
using test::frame;
using test::Http2Peer;
using test::request_fields;

constexpr std::uint8_t end_stream = SONDE_HTTP2_END_STREAM;
const std::string settings = frame(SONDE_HTTP2_SETTINGS, 0, 0, "");
const std::string opening = std::string(test::http2_preface) + settings;

std::string reset(std::uint32_t stream, std::uint32_t code) {
    return frame(SONDE_HTTP2_RST_STREAM, 0, stream, test::big_endian(code, 4));
}

std::string data(std::uint32_t stream, std::size_t size, bool ends = false) {
    return frame(SONDE_HTTP2_DATA, ends ? end_stream : 0, stream, std::string(size, 'd'));
}

// Bytes one after the other; the operands of + may be made in any order, which an encoder's state would not bear.
std::string join(std::initializer_list<std::string> parts) {
    std::string out;
    for (const auto& part : parts) out += part;
    return out;
}

// A connection whose openings have passed.
struct Session : Http2Peer {
    explicit Session(Side side = Side::server, const Http2Limits& limits = {}) : Http2Peer(side, limits) {
        client(opening, 1);
        server(settings, 2);
    }
    std::string request(std::uint32_t stream, std::string_view path, std::uint8_t flags = end_stream) {
        return request_table.headers(stream, request_fields(path), flags);
    }
    std::string response(std::uint32_t stream, const Fields& fields, std::uint8_t flags = 0) {
        return response_table.headers(stream, fields, flags);
    }
};

TEST(Http2Session, OneRequest) {
    Session s;
    const auto head = s.request(1, "/orders?id=7");
    s.client(head, 1000);
    s.read(1500, 11, 12);
    const auto answer = s.response(1, {{":status", "200"}});
    s.server(answer, 3000);
    s.server(join({data(1, 100), data(1, 50, true)}), 4000);
    ASSERT_EQ(s.done.size(), 1u);
    const auto& t = s.done[0];
    EXPECT_EQ(t.method.view(), "GET");
    EXPECT_EQ(t.path.view(), "/orders");
    EXPECT_EQ(t.host.view(), "shop.local");
    EXPECT_EQ(t.user_agent.view(), "test/1");
    EXPECT_EQ(t.status, 200);
    EXPECT_EQ(t.outcome, Outcome::ok);
    EXPECT_EQ(t.protocol, Protocol::http2);
    EXPECT_EQ(t.time_ns, 1000u);
    EXPECT_EQ(t.duration_ns, 3000u);
    EXPECT_EQ(t.phase_ns[static_cast<std::size_t>(Phase::queue)], 500);
    EXPECT_EQ(t.phase_ns[static_cast<std::size_t>(Phase::transfer)], 1000);
    EXPECT_EQ(t.request_bytes, head.size());
    EXPECT_EQ(t.response_bytes, answer.size() + 150 + 18);
    EXPECT_EQ(t.request_body_bytes, 0);
    EXPECT_EQ(t.response_body_bytes, 150);
    EXPECT_EQ(t.tid, 12u);
    EXPECT_EQ(s.pids[0], 11u);
    EXPECT_EQ(s.session.open_streams(), 0u);
}

TEST(Http2Session, TraceHeadersAreRead) {
    Session s;
    auto fields = request_fields("/orders");
    fields.push_back({"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"});
    fields.push_back({"x-request-id", "order-7"});
    s.client(s.request_table.headers(1, fields, end_stream), 1000);
    s.client(s.request(3, "/none"), 1100);
    s.server(s.response(1, {{":status", "200"}}, end_stream), 2000);
    s.server(s.response(3, {{":status", "200"}}, end_stream), 2100);
    ASSERT_EQ(s.done.size(), 2u);
    const auto& traced = s.done[0].trace;
    EXPECT_EQ(traced.trace_id.view(), "0af7651916cd43dd8448eb211c80319c");
    EXPECT_EQ(traced.parent_span_id.view(), "b7ad6b7169203331");
    EXPECT_EQ(traced.request_id.view(), "order-7");
    EXPECT_NE(traced.span_id, 0u);
    const auto& untraced = s.done[1].trace;
    EXPECT_TRUE(untraced.trace_id.empty());
    EXPECT_TRUE(untraced.request_id.empty());
    EXPECT_NE(untraced.span_id, 0u);
    EXPECT_NE(untraced.span_id, traced.span_id);
}

TEST(Http2Session, HeadersTooLongForATraceAreLeft) {
    Session s;
    auto fields = request_fields("/orders");
    fields.push_back({"traceparent", std::string(2000, '0')});
    fields.push_back({"x-request-id", "order-7"});
    s.client(s.request_table.headers(1, fields, end_stream), 1000);
    s.server(s.response(1, {{":status", "200"}}, end_stream), 2000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_TRUE(s.done[0].trace.trace_id.empty());
    EXPECT_EQ(s.done[0].trace.request_id.view(), "order-7");
}

TEST(Http2Session, CutAtEveryByte) {
    for (std::size_t cut = 1; cut < 200; ++cut) {
        Http2Peer s(Side::server);
        s.client(join({opening, s.request_table.headers(1, request_fields("/a")), data(1, 40, true)}), 1000, cut);
        s.server(join({settings, s.response_table.headers(1, {{":status", "404"}}), data(1, 30, true)}), 2000, cut);
        ASSERT_EQ(s.done.size(), 1u) << cut;
        EXPECT_EQ(s.done[0].path.view(), "/a");
        EXPECT_EQ(s.done[0].status, 404);
        EXPECT_EQ(s.done[0].request_body_bytes, 40);
        EXPECT_EQ(s.done[0].response_body_bytes, 30);
    }
}

TEST(Http2Session, StreamsInterleave) {
    Session s;
    s.client(join({s.request(1, "/slow"), s.request(3, "/fast")}), 1000);
    s.server(join({s.response(3, {{":status", "200"}}), data(3, 10, true)}), 2000);
    s.server(s.response(1, {{":status", "500"}}, end_stream), 9000);
    ASSERT_EQ(s.done.size(), 2u);
    EXPECT_EQ(s.done[0].path.view(), "/fast");
    EXPECT_EQ(s.done[0].duration_ns, 1000u);
    EXPECT_EQ(s.done[1].path.view(), "/slow");
    EXPECT_EQ(s.done[1].duration_ns, 8000u);
    EXPECT_EQ(s.done[1].outcome, Outcome::error);
}

TEST(Http2Session, EachStreamHasItsOwnQueueTime) {
    Session s;
    s.client(s.request(1, "/a"), 1000);
    s.read(1100, 11, 12);
    s.client(s.request(3, "/b"), 2000);
    s.read(5000, 11, 13);
    s.server(join({s.response(1, {{":status", "204"}}, end_stream), s.response(3, {{":status", "204"}}, end_stream)}),
             6000);
    ASSERT_EQ(s.done.size(), 2u);
    EXPECT_EQ(s.done[0].phase_ns[0], 100);
    EXPECT_EQ(s.done[0].tid, 12u);
    EXPECT_EQ(s.done[1].phase_ns[0], 3000);
    EXPECT_EQ(s.done[1].tid, 13u);
}

TEST(Http2Session, ClientSideIsTheThreadThatSent) {
    Session s(Side::client);
    s.client(s.request(1, "/a"), 1000);
    s.server(s.response(1, {{":status", "204"}}, end_stream), 2000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].side, Side::client);
    EXPECT_EQ(s.done[0].tid, 43u);
    EXPECT_EQ(s.pids[0], 42u);
    EXPECT_EQ(s.done[0].phase_ns[0], unobserved_ns);
}

TEST(Http2Session, BlockOfSeveralFramesWithPaddingAndPriority) {
    Session s;
    const auto block = s.request_table.block(request_fields("/long"));
    const auto first = std::string(1, '\3') + std::string(5, '\0') + block.substr(0, 4) + std::string(3, '\0');
    s.client(join({frame(SONDE_HTTP2_HEADERS, end_stream | SONDE_HTTP2_PADDED | SONDE_HTTP2_HAS_PRIORITY, 1, first),
                   frame(SONDE_HTTP2_CONTINUATION, 0, 1, block.substr(4, 3)),
                   frame(SONDE_HTTP2_CONTINUATION, SONDE_HTTP2_END_HEADERS, 1, block.substr(7))}),
             1000);
    s.server(s.response(1, {{":status", "200"}}, end_stream), 2000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].path.view(), "/long");
    EXPECT_EQ(s.done[0].request_bytes, 3 * 9 + 1 + 5 + 3 + block.size());
}

TEST(Http2Session, PaddingIsNoBody) {
    Session s;
    s.client(s.request(1, "/a", 0), 1000);
    s.client(frame(SONDE_HTTP2_DATA, SONDE_HTTP2_PADDED | end_stream, 1, std::string("\4body\0\0\0\0", 9)), 1100);
    s.server(s.response(1, {{":status", "200"}}, end_stream), 2000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].request_body_bytes, 4);
}

TEST(Http2Session, InterimResponses) {
    Session s;
    s.client(s.request(1, "/a"), 1000);
    s.server(join({s.response(1, {{":status", "103"}}), s.response(1, {{":status", "200"}}, end_stream)}), 2000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].status, 200);
}

TEST(Http2Session, ResetByTheClient) {
    Session s;
    s.client(s.request(1, "/a"), 1000);
    s.client(reset(1, 8), 2000);  // CANCEL
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].outcome, Outcome::aborted);
    EXPECT_EQ(s.done[0].status, 0);
}

TEST(Http2Session, ResetByTheServer) {
    Session s;
    s.client(join({s.request(1, "/a"), s.request(3, "/b")}), 1000);
    s.server(reset(1, 7), 2000);  // REFUSED_STREAM
    s.server(join({s.response(3, {{":status", "200"}}), data(3, 5), reset(3, 2)}), 3000);
    ASSERT_EQ(s.done.size(), 2u);
    EXPECT_EQ(s.done[0].outcome, Outcome::error);
    EXPECT_EQ(s.done[1].outcome, Outcome::error);
    EXPECT_EQ(s.done[1].status, 200);
}

TEST(Http2Session, EarlyAnswerThenNoErrorIsNaturalEnd) {
    Session s;
    s.client(join({s.request(1, "/upload", 0), data(1, 1000)}), 1000);
    s.server(join({s.response(1, {{":status", "413"}}, end_stream), reset(1, 0)}), 2000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].status, 413);
    EXPECT_EQ(s.done[0].outcome, Outcome::ok);
    EXPECT_EQ(s.done[0].request_body_bytes, 1000);
}

TEST(Http2Session, AnswerBeforeARequestThatNeverEnds) {
    Session s;
    s.client(s.request(1, "/upload", 0), 1000);
    s.server(s.response(1, {{":status", "200"}}, end_stream), 2000);
    s.session.tick(3000);
    EXPECT_TRUE(s.done.empty());
    s.session.tick(3'000'000'000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].outcome, Outcome::ok);
}

TEST(Http2Session, GoawayRefusesNewerStreams) {
    Session s;
    s.client(join({s.request(1, "/a"), s.request(3, "/b")}), 1000);
    s.server(frame(SONDE_HTTP2_GOAWAY, 0, 0, test::big_endian(1, 4) + test::big_endian(0, 4)), 2000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].path.view(), "/b");
    EXPECT_EQ(s.done[0].outcome, Outcome::error);
    s.server(s.response(1, {{":status", "200"}}, end_stream), 3000);
    ASSERT_EQ(s.done.size(), 2u);
    EXPECT_EQ(s.done[1].outcome, Outcome::ok);
}

TEST(Http2Session, ClosedConnectionAborts) {
    Session s;
    s.client(join({s.request(1, "/a"), s.request(3, "/b")}), 1000);
    s.server(join({s.response(1, {{":status", "200"}}), data(1, 5)}), 2000);
    s.session.on_close();
    ASSERT_EQ(s.done.size(), 2u);
    EXPECT_EQ(s.done[0].outcome, Outcome::aborted);
    EXPECT_EQ(s.done[0].status, 200);
    EXPECT_EQ(s.done[1].outcome, Outcome::aborted);
}

TEST(Http2Session, LostRecordMakesUnobservedNeverWrong) {
    Session s;
    s.client(join({s.request(1, "/first"), s.request(3, "/second")}), 1000);
    s.lose_next();
    s.client(s.request_table.headers(5, {{":method", "GET"}, {":path", "/lost"}, {"x-new", "entry"}}, end_stream),
             1100);
    // everything in this block stands in the table already, one entry later than a reader that missed a block thinks
    s.client(s.request(7, "/second"), 1200);
    s.server(s.response(7, {{":status", "200"}}, end_stream), 2000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].method.view(), "GET");    // static
    EXPECT_EQ(s.done[0].path.view(), "/second");  // libnghttp2 writes paths out, always
    EXPECT_EQ(s.done[0].host.view(), "");
    EXPECT_EQ(s.done[0].user_agent.view(), "");
    EXPECT_TRUE(s.done[0].head_incomplete);
    EXPECT_EQ(s.stats.gaps.load(), 1u);
    EXPECT_GE(s.stats.unknown_fields.load(), 2u);
    // entries made from here on are known again
    const Fields fields{{":method", "GET"}, {":path", "/third"}, {":authority", "new.local"}};
    s.client(s.request_table.headers(9, fields, end_stream), 3000);
    s.client(s.request_table.headers(11, fields, end_stream), 3100);
    s.server(join({s.response(9, {{":status", "200"}}, end_stream), s.response(11, {{":status", "200"}}, end_stream)}),
             4000);
    ASSERT_EQ(s.done.size(), 3u);
    EXPECT_EQ(s.done[1].host.view(), "new.local");
    EXPECT_EQ(s.done[2].host.view(), "new.local");
}

TEST(Http2Session, LostEndOfAStreamEndsUnobserved) {
    Session s;
    s.client(s.request(1, "/a"), 1000);
    s.server(join({s.response(1, {{":status", "200"}}), data(1, 5)}), 2000);
    s.lose_next();
    s.server(data(1, 7, true), 2100);
    s.server(settings, 2200);
    EXPECT_EQ(s.stats.gaps.load(), 1u);
    s.session.tick(5'000'000'000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].outcome, Outcome::unobserved);
    EXPECT_EQ(s.done[0].status, 200);
    EXPECT_EQ(s.done[0].response_body_bytes, -1);
}

// Segments overtake each other: over loopback with two CPUs, and wherever packets are lost.
TEST(Http2Session, ReorderedSegments) {
    std::mt19937 random(3);
    int whole = 0;
    for (int round = 0; round < 400; ++round) {
        Session s(Side::client);
        std::string stream;
        constexpr std::size_t requests = 12;
        std::size_t body = 0;
        for (std::uint32_t i = 0; i < requests; ++i) {
            const auto id = 2 * i + 1;
            s.client(s.request(id, "/" + std::to_string(i)), 1000);
            stream += s.response(id, {{":status", "200"}, {"x-number", std::to_string(i)}});
            body = 100 + random() % 3000;
            stream += data(id, body) + data(id, 10, true);
        }
        std::vector<std::string> segments;
        for (std::size_t at = 0; at < stream.size(); at += segments.back().size())
            segments.push_back(stream.substr(at, 1 + random() % 2500));
        std::vector<std::size_t> order(segments.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        const auto late = random() % (order.size() - 1);  // comes after one to three others
        const auto by = std::min<std::size_t>(1 + random() % 3, order.size() - 1 - late);
        std::rotate(order.begin() + static_cast<std::ptrdiff_t>(late),
                    order.begin() + static_cast<std::ptrdiff_t>(late) + 1,
                    order.begin() + static_cast<std::ptrdiff_t>(late + by) + 1);
        s.server_reordered(segments, order, 5000);
        s.session.tick(10'000'000'000);
        const bool gap = s.stats.gaps.load() > 0;
        for (const auto& t : s.done) EXPECT_TRUE(t.status == 200 || t.status == 0);
        if (gap) continue;
        ++whole;
        ASSERT_EQ(s.done.size(), requests) << round;
        for (const auto& t : s.done) EXPECT_EQ(t.outcome, Outcome::ok);
        EXPECT_EQ(s.done.back().response_body_bytes, static_cast<std::int64_t>(body + 10));
    }
    // where the boundary behind the hole was not to be found, that is counted as a gap
    EXPECT_GE(whole, 380);
    RecordProperty("whole", whole);
}

TEST(Http2Session, JoinedInTheMiddle) {
    Session before;  // what nobody sees
    test::Deflater& requests = before.request_table;
    requests.block(request_fields("/old"));
    Http2Peer s(Side::server);
    s.lose_next();
    s.client(opening, 1);
    s.lose_next();
    s.server(settings, 2);
    // the end of an upload that began before; a request whose authority stands in the table; one with new fields
    s.client(requests.headers(1, {{"x-checksum", "1"}}, end_stream), 1000);
    s.client(requests.headers(3, request_fields("/a"), end_stream), 1100);
    s.server(s.response_table.headers(1, {{":status", "200"}}, end_stream), 2000);
    s.server(s.response_table.headers(3, {{":status", "404"}}, end_stream), 2100);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].method.view(), "GET");
    EXPECT_EQ(s.done[0].path.view(), "/a");
    EXPECT_EQ(s.done[0].host.view(), "");
    EXPECT_EQ(s.done[0].status, 404);
    EXPECT_EQ(s.done[0].outcome, Outcome::ok);
    EXPECT_TRUE(s.done[0].head_incomplete);
    EXPECT_EQ(s.stats.headless_streams.load(), 1u);
    EXPECT_EQ(s.stats.joined_connections.load(), 2u);
}

TEST(Http2Session, OldestStreamLeavesWhenThereAreTooMany) {
    Http2Limits limits;
    limits.max_streams = 4;
    Session s(Side::server, limits);
    for (std::uint32_t i = 0; i < 6; ++i) s.client(s.request(1 + 2 * i, "/" + std::to_string(i)), 1000);
    EXPECT_EQ(s.session.open_streams(), 4u);
    EXPECT_EQ(s.stats.evicted_streams.load(), 2u);
    ASSERT_EQ(s.done.size(), 2u);
    EXPECT_EQ(s.done[0].path.view(), "/0");
    EXPECT_EQ(s.done[0].outcome, Outcome::unobserved);
}

TEST(Http2Session, TableSizeChanges) {
    Session s;
    for (const std::size_t bytes : {0, 60, 4096, 1000}) {
        s.request_table.change_table_size(bytes);
        for (std::uint32_t i = 0; i < 3; ++i) {
            const auto stream = static_cast<std::uint32_t>(2 * s.done.size() + 1);
            s.client(s.request(stream, "/same/path"), 1000);
            s.server(s.response(stream, {{":status", "200"}}, end_stream), 2000);
            ASSERT_EQ(s.done.back().path.view(), "/same/path") << bytes;
        }
    }
    EXPECT_EQ(s.stats.unreadable_blocks.load(), 0u);
}

TEST(Http2Session, GrpcCalls) {
    Session s;
    auto fields = request_fields("/shop.Cart/Add", "POST");
    fields.emplace_back("content-type", "application/grpc+proto");
    const auto call = [&](std::uint32_t stream) {
        s.client(join({s.request_table.headers(stream, fields), data(stream, 12, true)}), 1000);
    };
    call(1);
    s.server(join({s.response(1, {{":status", "200"}, {"content-type", "application/grpc"}}), data(1, 9),
                   s.response(1, {{"grpc-status", "0"}}, end_stream)}),
             2000);
    call(3);  // trailers only
    s.server(
        s.response(3, {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "14"}}, end_stream),
        2000);
    call(5);  // the caller's own fault
    s.server(s.response(5, {{":status", "200"}, {"grpc-status", "5"}}, end_stream), 2000);
    call(7);  // no status
    s.server(join({s.response(7, {{":status", "200"}}), data(7, 9, true)}), 2000);
    call(9);  // deadline at the client
    s.client(reset(9, 8), 3000);
    ASSERT_EQ(s.done.size(), 5u);
    const std::int16_t statuses[] = {0, 14, 5, -1, -1};
    const Outcome outcomes[] = {Outcome::ok, Outcome::error, Outcome::ok, Outcome::unobserved, Outcome::aborted};
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_TRUE(s.done[i].grpc);
        EXPECT_EQ(s.done[i].path.view(), "/shop.Cart/Add");
        EXPECT_EQ(s.done[i].grpc_status, statuses[i]) << i;
        EXPECT_EQ(s.done[i].outcome, outcomes[i]) << i;
    }
}

TEST(Http2Session, AnUpgradedRequestIsStreamOne) {
    Http2Peer s(Side::server);
    Http2Stream first;
    first.id = 1;
    first.transaction.method.assign("GET");
    first.transaction.path.assign("/up");
    first.request.first_ns = 500;
    first.request.wire_bytes = 90;
    first.request.has_head = first.request.ended = true;
    s.session.adopt(first);
    s.server(join({settings, s.response_table.headers(1, {{":status", "200"}}), data(1, 10, true)}), 2000);
    s.client(join({opening, s.request_table.headers(3, request_fields("/next"), end_stream)}), 3000);
    s.server(s.response_table.headers(3, {{":status", "204"}}, end_stream), 4000);
    ASSERT_EQ(s.done.size(), 2u);
    EXPECT_EQ(s.done[0].path.view(), "/up");
    EXPECT_EQ(s.done[0].request_bytes, 90u);
    EXPECT_EQ(s.done[0].status, 200);
    EXPECT_EQ(s.done[1].path.view(), "/next");
}

TEST(Http2Session, PushedStreamsAreCountedAndKeepTheTableRight) {
    Session s(Side::client);
    s.client(s.request(1, "/a"), 1000);
    s.server(join({frame(SONDE_HTTP2_PUSH_PROMISE, SONDE_HTTP2_END_HEADERS, 1,
                         test::big_endian(2, 4) + s.response_table.block(request_fields("/style.css"))),
                   s.response(2, {{":status", "200"}, {"x-pushed", "1"}}), data(2, 10, true)}),
             1500);
    s.server(s.response(1, {{":status", "200"}, {"x-pushed", "1"}}, end_stream), 2000);
    ASSERT_EQ(s.done.size(), 1u);
    EXPECT_EQ(s.done[0].path.view(), "/a");
    EXPECT_EQ(s.stats.pushed_streams.load(), 1u);
    EXPECT_EQ(s.stats.unreadable_blocks.load(), 0u);
}

}  // namespace
}  // namespace sonde
