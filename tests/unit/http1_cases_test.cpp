#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/exchange.hpp"

// The cases of HTTP/1.x, each also with its streams cut at every byte, in segments of one byte, retransmitted and out
// of order: the transactions must be the same. The records are made by the kernel's own code.
namespace sonde {
namespace {

using test::close;
using test::Delivery;
using test::ms;
using test::play;
using test::request;
using test::response;
using test::Script;

std::string text_of(const Transaction& t) {
    std::ostringstream out;
    out << t.method.view() << ' ' << t.path.view() << " host=" << t.host.view() << " status=" << t.status << ' '
        << to_string(t.outcome) << ' ' << to_string(t.protocol) << " in=" << t.request_bytes << '/'
        << t.request_body_bytes << " out=" << t.response_bytes << '/' << t.response_body_bytes << " at "
        << t.time_ns / ms << "+" << t.duration_ns / ms;
    return out.str();
}

std::string text_of(const std::vector<Transaction>& transactions) {
    std::string out;
    for (const auto& t : transactions) out += text_of(t) + "\n";
    return out;
}

std::size_t bytes_of(const Script& script, test::Step::Kind kind) {
    std::size_t n = 0;
    for (const auto& step : script)
        if (step.kind == kind) n += step.bytes.size();
    return n;
}

std::string name_of(const Delivery& d) {
    std::ostringstream out;
    out << "request cut at " << d.cut_request << ", response at " << d.cut_response << ", segments of " << d.segment_max
        << (d.push_each ? ", PSH on each" : "") << (d.twice ? ", twice" : "") << (d.swapped ? ", swapped" : "")
        << (d.progress_waits ? "" : ", progress at once") << (d.side == Side::client ? ", client" : "");
    return out.str();
}

// A chunked body whose segments came out of order is not followed to its end: it may be told late, or its size be
// unobserved, but never wrong.
bool none_is_wrong(const std::vector<Transaction>& got, const std::vector<Transaction>& expected) {
    if (got.size() > expected.size()) return false;
    for (std::size_t i = 0; i < got.size(); ++i) {
        auto t = got[i];
        if (t.outcome == Outcome::unobserved && t.status == 0) continue;
        if (t.request_body_bytes < 0) t.request_body_bytes = expected[i].request_body_bytes;
        if (t.response_body_bytes < 0) t.response_body_bytes = expected[i].response_body_bytes;
        if (text_of(t) != text_of(expected[i])) return false;
    }
    return true;
}

bool has_chunks(const Script& script, test::Step::Kind kind) {
    std::string all;
    for (const auto& step : script)
        if (step.kind == kind) all += step.bytes;
    return all.find("chunked\r\n") != std::string::npos || all.find("chunked\n") != std::string::npos;
}

// Plays the script in every way and returns what came of it.
std::string play_every_way(const Script& script, std::size_t every = 1, bool exact = true) {
    const auto played = play(script);
    const auto expected = text_of(played);
    const auto check = [&](Delivery d) {
        for (const bool waits : {true, false}) {
            d.progress_waits = waits;
            for (const auto side : {Side::server, Side::client}) {
                d.side = side;
                if (side == Side::client && script.back().kind == test::Step::Kind::close) continue;
                const auto got = play(script, d);
                const auto incoming = side == Side::server ? test::Step::Kind::request : test::Step::Kind::response;
                if (!exact || (d.swapped && has_chunks(script, incoming)))
                    ASSERT_TRUE(none_is_wrong(got, played)) << name_of(d) << "\n" << text_of(got);
                else
                    ASSERT_EQ(text_of(got), expected) << name_of(d);
            }
        }
    };
    const auto variants = [&](Delivery d) {
        for (const bool push : {true, false}) {
            d.push_each = push;
            check(d);
        }
        d.twice = true;
        check(d);
        d.twice = false;
        d.swapped = true;
        check(d);
    };
    check({});
    for (std::size_t cut = 1; cut < bytes_of(script, test::Step::Kind::request); cut += every)
        variants({.cut_request = cut});
    for (std::size_t cut = 1; cut < bytes_of(script, test::Step::Kind::response); cut += every)
        variants({.cut_response = cut});
    return expected;
}

TEST(Http1Cases, OriginForm) {
    EXPECT_EQ(play_every_way({request(10, "GET /a?q=1 HTTP/1.1\r\nHost: h\r\n\r\n"),
                              response(15, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")}),
              "GET /a host=h status=200 ok http/1.1 in=32/0 out=43/5 at 10+5\n");
}

TEST(Http1Cases, TraceHeadersReachTheTransaction) {
    const auto done = play({request(10,
                                    "GET /a HTTP/1.1\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"
                                    "00f067aa0ba902b7-01\r\nx-request-id: r1\r\n\r\n"),
                            response(15, "HTTP/1.1 204 No\r\n\r\n")});
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].trace.trace_id.view(), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(done[0].trace.parent_span_id.view(), "00f067aa0ba902b7");
    EXPECT_EQ(done[0].trace.request_id.view(), "r1");
    EXPECT_NE(done[0].trace.span_id, 0U);
}

TEST(Http1Cases, AbsoluteForm) {
    EXPECT_EQ(play_every_way({request(10, "GET http://u:p@h.example:81/a?q HTTP/1.1\r\n\r\n"),
                              response(15, "HTTP/1.1 204 No\r\n\r\n")}),
              "GET /a host=h.example:81 status=204 ok http/1.1 in=44/0 out=19/0 at 10+5\n");
}

TEST(Http1Cases, AuthorityFormOpensATunnel) {
    EXPECT_EQ(play_every_way({request(10, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
                              response(15, "HTTP/1.1 200 OK\r\n\r\n"), request(16, "GET / HTTP/1.1\r\n\r\n"),
                              response(17, "HTTP/1.1 500 No\r\n\r\n")}),
              "CONNECT  host=h:443 status=200 ok http/1.1 in=39/0 out=19/0 at 10+5\n");
}

TEST(Http1Cases, ARefusedConnectIsAnOrdinaryExchange) {
    EXPECT_EQ(play_every_way({request(10, "CONNECT h:443 HTTP/1.1\r\n\r\n"),
                              response(15, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"),
                              request(20, "GET /b HTTP/1.1\r\n\r\n"),
                              response(21, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}),
              "CONNECT  host=h:443 status=403 ok http/1.1 in=26/0 out=40/2 at 10+5\n"
              "GET /b host= status=200 ok http/1.1 in=19/0 out=38/0 at 20+1\n");
}

TEST(Http1Cases, AsteriskForm) {
    EXPECT_EQ(play_every_way({request(10, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
                              response(11, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}),
              "OPTIONS * host=h status=200 ok http/1.1 in=31/0 out=38/0 at 10+1\n");
}

TEST(Http1Cases, Pipelining) {
    EXPECT_EQ(play_every_way({request(10,
                                      "GET /a HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
                                      "GET /c HTTP/1.1\r\n\r\n"),
                              response(12,
                                       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 No\r\n"
                                       "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
                              response(14, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")}),
              "GET /a host= status=200 ok http/1.1 in=19/0 out=38/0 at 10+2\n"
              "PUT /b host= status=404 ok http/1.1 in=38/0 out=59/12 at 10+2\n"
              "GET /c host= status=503 error http/1.1 in=19/0 out=38/0 at 10+4\n");
}

// Where a segment begins inside a body and another message follows in it, the kernel does not capture that one: its
// exchange is unobserved then, and no other takes its place.
TEST(Http1Cases, PipeliningWithBodies) {
    EXPECT_EQ(play_every_way({request(10,
                                      "GET /a HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz"
                                      "GET /c HTTP/1.1\r\n\r\n"),
                              response(12,
                                       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 No\r\n"
                                       "Content-Length: 2\r\n\r\nno"),
                              response(14, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")},
                             1, false),
              "GET /a host= status=200 ok http/1.1 in=19/0 out=40/2 at 10+2\n"
              "PUT /b host= status=404 ok http/1.1 in=41/3 out=40/2 at 10+2\n"
              "GET /c host= status=503 error http/1.1 in=19/0 out=38/0 at 10+4\n");
}

TEST(Http1Cases, HeadsLargerThanFourKilobytes) {
    const auto big = "X-Big: " + std::string(6000, 'x') + "\r\n";
    EXPECT_EQ(play_every_way({request(10, "POST /a HTTP/1.1\r\n" + big + "Content-Length: 3\r\n\r\nabc"),
                              response(11, "HTTP/1.1 200 OK\r\n" + big +
                                               "Transfer-Encoding: chunked\r\n\r\n"
                                               "3\r\nabc\r\n0\r\n\r\n")},
                             97),
              "POST /a host= status=200 ok http/1.1 in=6051/3 out=6069/13 at 10+1\n");
}

TEST(Http1Cases, ExpectContinueAndOtherInterimResponses) {
    EXPECT_EQ(play_every_way({request(10, "PUT /a HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"),
                              response(11, "HTTP/1.1 100 Continue\r\n\r\n"), request(12, "body"),
                              response(13, "HTTP/1.1 102 Processing\r\n\r\n"),
                              response(14,
                                       "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                                       "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")}),
              "PUT /a host= status=201 ok http/1.1 in=64/4 out=45/2 at 10+4\n");
}

TEST(Http1Cases, ExpectContinueWithAChunkedBody) {
    EXPECT_EQ(play_every_way({request(10,
                                      "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue"
                                      "\r\n\r\n"),
                              response(11, "HTTP/1.1 100 Continue\r\n\r\n"), request(12, "4\r\nbody\r\n"),
                              request(13, "0\r\n\r\n"), response(14, "HTTP/1.1 204 No\r\n\r\n")}),
              "PUT /a host= status=204 ok http/1.1 in=83/14 out=19/0 at 10+4\n");
}

TEST(Http1Cases, NoBodyFollowsHead) {
    EXPECT_EQ(play_every_way({request(10, "HEAD /a HTTP/1.1\r\n\r\n"),
                              response(11, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
                              request(12, "HEAD /b HTTP/1.1\r\n\r\n"),
                              response(13, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")}),
              "HEAD /a host= status=200 ok http/1.1 in=20/0 out=39/0 at 10+1\n"
              "HEAD /b host= status=200 ok http/1.1 in=20/0 out=47/0 at 12+1\n");
}

TEST(Http1Cases, NoBodyFollows204And304) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\n\r\n"),
                              response(11, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
                              request(12, "GET /b HTTP/1.1\r\n\r\n"), response(13, "HTTP/1.1 204 No Content\r\n\r\n")}),
              "GET /a host= status=304 ok http/1.1 in=19/0 out=49/0 at 10+1\n"
              "GET /b host= status=204 ok http/1.1 in=19/0 out=27/0 at 12+1\n");
}

TEST(Http1Cases, ChunkedResponseWithTrailers) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\n\r\n"),
                              response(11, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                              response(12, "5\r\nhello\r\n"), response(20, "0\r\nX-Sum: 1\r\n\r\n"),
                              request(30, "GET /b HTTP/1.1\r\n\r\n"), response(31, "HTTP/1.1 204 No\r\n\r\n")}),
              "GET /a host= status=200 ok http/1.1 in=19/0 out=72/25 at 10+10\n"
              "GET /b host= status=204 ok http/1.1 in=19/0 out=19/0 at 30+1\n");
}

TEST(Http1Cases, ChunkedRequestWithTrailers) {
    EXPECT_EQ(play_every_way({request(10, "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
                              request(12, "5;x=\"y\"\r\nhello\r\n"), request(15, "0\r\nX-Sum: 1\r\n\r\n"),
                              response(20, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}),
              "POST /a host= status=200 ok http/1.1 in=79/31 out=38/0 at 10+10\n");
}

// Data that ends a segment with the bytes of a last chunk does not end the body.
TEST(Http1Cases, ChunkDataThatLooksLikeTheEnd) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\n\r\n"),
                              response(11, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                              response(12, "f\r\nabcdefgh\r\n0\r\n\r\n"), response(13, "\r\n3\r\nxyz\r\n"),
                              response(14, "0\r\n\r\n")}),
              "GET /a host= status=200 ok http/1.1 in=19/0 out=80/33 at 10+4\n");
}

TEST(Http1Cases, AResponseThatStartsBeforeTheRequestEnded) {
    EXPECT_EQ(play_every_way({request(10, "PUT /a HTTP/1.1\r\nContent-Length: 8\r\n\r\nhalf"),
                              response(11, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"), request(12, "rest"),
                              response(13, "rest"), request(20, "GET /b HTTP/1.1\r\n\r\n"),
                              response(21, "HTTP/1.1 204 No\r\n\r\n")}),
              "PUT /a host= status=200 ok http/1.1 in=46/8 out=46/8 at 10+3\n"
              "GET /b host= status=204 ok http/1.1 in=19/0 out=19/0 at 20+1\n");
}

TEST(Http1Cases, Upgrade) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
                              response(11, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
                              request(12, "GET / HTTP/1.1\r\n\r\n"), response(13, "HTTP/1.1 200 OK\r\n\r\n")}),
              "GET /a host= status=101 ok http/1.1 in=52/0 out=38/0 at 10+1\n");
}

TEST(Http1Cases, AnUpgradeThatIsDeclined) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
                              response(11, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                              request(12, "GET /b HTTP/1.1\r\n\r\n"), response(13, "HTTP/1.1 204 No\r\n\r\n")}),
              "GET /a host= status=200 ok http/1.1 in=52/0 out=38/0 at 10+1\n"
              "GET /b host= status=204 ok http/1.1 in=19/0 out=19/0 at 12+1\n");
}

TEST(Http1Cases, Http10EndsWithTheConnection) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.0\r\n\r\n"), response(11, "HTTP/1.0 200 OK\r\n\r\n"),
                              response(12, "some body"), response(13, "", true), request(14, "", true), close(15)}),
              "GET /a host= status=200 ok http/1.0 in=19/0 out=28/9 at 10+2\n");
}

TEST(Http1Cases, BareLineFeeds) {
    EXPECT_EQ(
        play_every_way({request(10, "GET /a HTTP/1.1\nHost: h\n\n"),
                        response(11, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n"), response(12, "2\nok\n0\n\n"),
                        request(20, "GET /b HTTP/1.1\n\n"), response(21, "HTTP/1.1 204 No\n\n")}),
        "GET /a host=h status=200 ok http/1.1 in=25/0 out=52/8 at 10+2\n"
        "GET /b host= status=204 ok http/1.1 in=17/0 out=17/0 at 20+1\n");
}

TEST(Http1Cases, BodiesThatLookLikeMessages) {
    const std::string inner = "GET /x HTTP/1.1\r\n\r\n", answer = "HTTP/1.1 500 No\r\n\r\n";
    EXPECT_EQ(play_every_way({request(10, "POST /a HTTP/1.1\r\nContent-Length: 19\r\n\r\n"), request(11, inner),
                              response(12, "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n"), response(13, answer),
                              request(20, "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n13\r\n"),
                              request(21, inner), request(22, "\r\n0\r\n\r\n"),
                              response(23, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n13\r\n"),
                              response(24, answer), response(25, "\r\n0\r\n\r\n")}),
              "POST /a host= status=200 ok http/1.1 in=59/19 out=58/19 at 10+3\n"
              "POST /b host= status=200 ok http/1.1 in=78/30 out=77/30 at 20+5\n");
}

TEST(Http1Cases, AHalfClosedClientStillGetsItsResponse) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\n\r\n", true),
                              response(15, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), response(16, "ok", true),
                              close(17)}),
              "GET /a host= status=200 ok http/1.1 in=19/0 out=40/2 at 10+6\n");
}

TEST(Http1Cases, AStatusLineInThreeWrites) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\n\r\n"), response(11, "HTTP/1.1"), response(11, " 200 "),
                              response(11, "OK\r\n"), response(11, "Content-Length: 2\r\n\r\n"), response(12, "ok")}),
              "GET /a host= status=200 ok http/1.1 in=19/0 out=40/2 at 10+2\n");
}

TEST(Http1Cases, ResetBeforeTheRequestIsWhole) {
    EXPECT_EQ(text_of(play({request(10, "PUT /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"), close(12, ECONNRESET)})),
              "PUT /a host= status=0 aborted http/1.1 in=41/-1 out=0/-1 at 10+0\n");
}

TEST(Http1Cases, ResetBeforeTheResponse) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\n\r\n"), close(12, ECONNRESET)}),
              "GET /a host= status=0 aborted http/1.1 in=19/0 out=0/-1 at 10+0\n");
}

TEST(Http1Cases, ResetInsideTheResponse) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\n\r\n"),
                              response(11, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), response(12, "def"),
                              close(13, ECONNRESET)}),
              "GET /a host= status=200 aborted http/1.1 in=19/0 out=44/6 at 10+2\n");
}

TEST(Http1Cases, ResetBetweenExchangesIsNothing) {
    EXPECT_EQ(play_every_way({request(10, "GET /a HTTP/1.1\r\n\r\n"), response(11, "HTTP/1.1 204 No\r\n\r\n"),
                              close(12, ECONNRESET)}),
              "GET /a host= status=204 ok http/1.1 in=19/0 out=19/0 at 10+1\n");
}

TEST(Http1Cases, AServerThatClosesInsteadOfAnsweringBreaksTheProtocol) {
    EXPECT_EQ(text_of(play({request(10, "GET /a HTTP/1.1\r\n\r\n"), response(11, "", true), close(12)})),
              "GET /a host= status=0 error http/1.1 in=19/0 out=0/-1 at 10+0\n");
    EXPECT_EQ(
        text_of(play({request(10, "GET /a HTTP/1.1\r\n\r\n"),
                      response(11, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", true), close(12)})),
        "GET /a host= status=200 error http/1.1 in=19/0 out=52/5 at 10+1\n");
}

// sonde starts inside a response: what is left of it belongs to no request that was seen.
TEST(Http1Cases, JoinedInTheMiddle) {
    EXPECT_EQ(play_every_way({response(5, "rest of a body"), request(10, "GET /a HTTP/1.1\r\n\r\n"),
                              response(11, "HTTP/1.1 204 No\r\n\r\n")}),
              "GET /a host= status=204 ok http/1.1 in=19/0 out=19/0 at 10+1\n");
    EXPECT_EQ(text_of(play({request(10, "GET /a HTTP/1.1\r\n\r\n"), response(11, "rest of a body that was on its way"),
                            response(12, "HTTP/1.1 204 No\r\n\r\n")})),
              "GET /a host= status=204 ok http/1.1 in=19/0 out=19/0 at 10+2\n");
}

}  // namespace
}  // namespace sonde
