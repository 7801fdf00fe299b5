#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/exchange.hpp"
#include "tests/support/websocket_wire.hpp"

// WebSockets from the upgrade to the close, through the kernel's own code and the tracker; each also with its streams
// cut at every byte, in segments of one byte, retransmitted and seen from either side.
namespace sonde {
namespace {

using test::close;
using test::Delivery;
using test::ms;
using test::play;
using test::request;
using test::response;
using test::Script;
using test::websocket_close;
using test::websocket_frame;
using test::ws_final;

constexpr std::uint8_t text = ws_final | SONDE_WEBSOCKET_TEXT;
constexpr std::string_view asked =
    "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
constexpr std::string_view answered =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\n";

// As its server sees it, whichever side it was seen from.
std::string text_of(const std::vector<Transaction>& transactions) {
    std::ostringstream out;
    for (const auto& t : transactions) {
        const auto& w = t.websocket;
        const std::size_t in = t.side == Side::server ? 0 : 1;
        out << t.path.view() << ' ' << t.status << ' ' << to_string(t.outcome) << ' ' << to_string(t.protocol)
            << " in=" << w.messages[in] << '/' << w.bytes[in] << " out=" << w.messages[1 - in] << '/' << w.bytes[1 - in]
            << " code=" << w.close_code << " by=" << (w.has_closer ? to_string(w.closed_by) : "nobody") << " at "
            << t.time_ns / ms << "+" << t.duration_ns / ms << "\n";
    }
    return out.str();
}

std::string play_every_way(const Script& script) {
    const auto expected = text_of(play(script, {}));
    const auto check = [&](Delivery d) {
        for (const auto side : {Side::server, Side::client}) {
            d.side = side;
            ASSERT_EQ(text_of(play(script, d)), expected)
                << "request cut at " << d.cut_request << ", response at " << d.cut_response << ", segments of "
                << d.segment_max << (d.twice ? ", twice" : "") << (side == Side::client ? ", client" : "");
        }
    };
    const auto variants = [&](Delivery d) {
        check(d);
        d.twice = true;
        check(d);
    };
    std::size_t asks = 0, answers = 0;
    for (const auto& step : script) {
        if (step.kind == test::Step::Kind::request) asks += step.bytes.size();
        if (step.kind == test::Step::Kind::response) answers += step.bytes.size();
    }
    variants({});
    variants({.segment_max = 1});
    for (std::size_t cut = 1; cut < asks; ++cut) variants({.cut_request = cut});
    for (std::size_t cut = 1; cut < answers; ++cut) variants({.cut_response = cut});
    return expected;
}

TEST(WebSocketCases, MessagesBothWaysAndACloseByTheClient) {
    EXPECT_EQ(
        play_every_way({request(10, asked), response(11, answered), request(20, websocket_frame(text, "hello", true)),
                        response(21, websocket_frame(text, "hello back", false)),
                        request(30, websocket_frame(ws_final | SONDE_WEBSOCKET_PING, "?", true)),
                        response(31, websocket_frame(ws_final | SONDE_WEBSOCKET_PONG, "?", false)),
                        request(40, websocket_close(1000, true)), response(41, websocket_close(1000, false), true),
                        request(42, "", true), close(43)}),
        "/ws 101 ok websocket in=1/5 out=1/10 code=1000 by=client at 10+33\n");
}

TEST(WebSocketCases, AHashThatSpellsH2c) {
    EXPECT_EQ(
        play_every_way({request(10, asked),
                        response(11,
                                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: sh2CTfhc8rrg8vh2c1vqzPPYHM0=\r\n\r\n"),
                        request(20, websocket_frame(text, "hello", true)), request(40, websocket_close(1000, true)),
                        response(41, websocket_close(1000, false), true), request(42, "", true), close(43)}),
        "/ws 101 ok websocket in=1/5 out=0/0 code=1000 by=client at 10+33\n");
}

TEST(WebSocketCases, TheServerSpeaksWithItsAnswerAndCloses) {
    EXPECT_EQ(play_every_way({request(10, asked),
                              response(11, std::string(answered) + websocket_frame(text, "welcome", false)),
                              response(12, websocket_close(4001, false, "enough")),
                              request(13, websocket_close(4001, true), true), close(14)}),
              "/ws 101 ok websocket in=0/0 out=1/7 code=4001 by=server at 10+4\n");
}

TEST(WebSocketCases, AMessageInFragmentsCountsOnce) {
    EXPECT_EQ(play_every_way({request(10, asked), response(11, answered),
                              request(12, websocket_frame(SONDE_WEBSOCKET_BINARY, "one ", true) +
                                              websocket_frame(SONDE_WEBSOCKET_CONTINUATION, "two ", true) +
                                              websocket_frame(ws_final | SONDE_WEBSOCKET_CONTINUATION, "three", true)),
                              response(13, websocket_close(1011, false)), request(14, websocket_close(1011, true)),
                              close(15)}),
              "/ws 101 error websocket in=1/13 out=0/0 code=1011 by=server at 10+5\n");
}

TEST(WebSocketCases, BrokenOffWithoutAClose) {
    EXPECT_EQ(play_every_way({request(10, asked), response(11, answered), request(12, websocket_frame(text, "a", true)),
                              request(13, websocket_frame(text, "half", true).substr(0, 8), true), close(14)}),
              "/ws 101 aborted websocket in=1/3 out=0/0 code=0 by=client at 10+4\n");
}

TEST(WebSocketCases, WhatIsNoWebSocketIsNotCountedAndNotInvented) {
    EXPECT_EQ(play_every_way({request(10, asked), response(11, answered), request(12, "what is this?"),
                              response(13, websocket_close(1002, false)), close(14)}),
              "/ws 101 error websocket in=-1/-1 out=0/0 code=1002 by=server at 10+4\n");
}

TEST(WebSocketCases, AnAnswerThatDeclinesIsARequestLikeAnyOther) {
    EXPECT_EQ(play_every_way({request(10, asked), response(11, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
                              request(12, "GET /b HTTP/1.1\r\n\r\n"),
                              response(13, "HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}),
              "/ws 403 ok http/1.1 in=-1/-1 out=-1/-1 code=0 by=nobody at 10+1\n"
              "/b 200 ok http/1.1 in=-1/-1 out=-1/-1 code=0 by=nobody at 12+1\n");
}

}  // namespace
}  // namespace sonde
