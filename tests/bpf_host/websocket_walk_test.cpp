#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/websocket_wire.hpp"

namespace sonde::test {
namespace {

constexpr std::uint32_t start = 0xfffffff0;  // sequence numbers wrap early on
constexpr std::uint8_t text = SONDE_WEBSOCKET_TEXT, binary = SONDE_WEBSOCKET_BINARY;

sonde_websocket_walk walk_of(std::string_view bytes, bool from_client, std::size_t cut = 1 << 20) {
    sonde_websocket_walk walk;
    sonde_websocket_begin(&walk, start, from_client ? 1 : 0);
    for (std::size_t at = 0; at < bytes.size(); at += cut)
        walk_websocket(walk, start + static_cast<std::uint32_t>(at), bytes.substr(at, cut));
    return walk;
}

// Three messages, one of them in fragments with a Ping in between, then a Close.
std::string conversation(bool masked) {
    return websocket_frame(ws_final | text, "hello", masked) +
           websocket_frame(ws_final | binary, std::string(70'000, 'b'), masked) +
           websocket_frame(text, std::string(300, 'f'), masked) +
           websocket_frame(ws_final | SONDE_WEBSOCKET_PING, "", masked) +
           websocket_frame(SONDE_WEBSOCKET_CONTINUATION, "", masked) +
           websocket_frame(ws_final | SONDE_WEBSOCKET_CONTINUATION, "end", masked) +
           websocket_close(1001, masked, "going away");
}

TEST(WebSocketWalk, CountsMessagesBytesAndTheCloseCode) {
    for (const bool client : {false, true}) {
        const auto walk = walk_of(conversation(client), client);
        EXPECT_EQ(walk.state, SONDE_WEBSOCKET_CLOSED);
        EXPECT_EQ(walk.messages, 3u);
        EXPECT_EQ(walk.bytes, 5u + 70'000 + 300 + 3);
        EXPECT_EQ(walk.controls, 2u);
        EXPECT_EQ(walk.code, 1001);
    }
}

TEST(WebSocketWalk, CutAnywhereItIsTheSame) {
    for (const bool client : {false, true}) {
        const auto bytes = websocket_frame(ws_final | text, "hello", client) +
                           websocket_frame(ws_final | binary, std::string(200, 'b'), client) +
                           websocket_close(4001, client, "x");
        for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
            const auto walk = walk_of(bytes, client, cut);
            EXPECT_EQ(walk.state, SONDE_WEBSOCKET_CLOSED) << cut;
            EXPECT_EQ(walk.messages, 2u) << cut;
            EXPECT_EQ(walk.bytes, 205u) << cut;
            EXPECT_EQ(walk.code, 4001) << cut;
        }
    }
}

TEST(WebSocketWalk, ACloseWithoutACode) {
    EXPECT_EQ(walk_of(websocket_frame(ws_final | SONDE_WEBSOCKET_CLOSE, "", true), true).code, SONDE_WEBSOCKET_NO_CODE);
    EXPECT_EQ(walk_of(websocket_frame(ws_final | SONDE_WEBSOCKET_CLOSE, "x", true), true).state, SONDE_WEBSOCKET_LOST);
}

TEST(WebSocketWalk, WhatNoPeerMaySendIsLost) {
    const auto state = [](std::string_view bytes, bool client) { return walk_of(bytes, client).state; };
    EXPECT_EQ(state(websocket_frame(ws_final | text, "a", false), true), SONDE_WEBSOCKET_LOST);  // not masked
    EXPECT_EQ(state(websocket_frame(ws_final | text, "a", true), false), SONDE_WEBSOCKET_LOST);  // masked
    EXPECT_EQ(state(websocket_frame(ws_final | 3, "a", false), false), SONDE_WEBSOCKET_LOST);    // reserved opcode
    EXPECT_EQ(state(websocket_frame(ws_final | 0x20 | text, "a", false), false), SONDE_WEBSOCKET_LOST);
    EXPECT_EQ(state(websocket_frame(SONDE_WEBSOCKET_PING, "a", false), false), SONDE_WEBSOCKET_LOST);  // fragmented
    EXPECT_EQ(state(websocket_frame(ws_final | SONDE_WEBSOCKET_CONTINUATION, "a", false), false), SONDE_WEBSOCKET_LOST);
    EXPECT_EQ(state(websocket_frame(text, "a", false) + websocket_frame(ws_final | text, "b", false), false),
              SONDE_WEBSOCKET_LOST);  // a message inside another
    EXPECT_EQ(state(websocket_frame(ws_final | SONDE_WEBSOCKET_PING, std::string(126, 'p'), false), false),
              SONDE_WEBSOCKET_LOST);
    EXPECT_EQ(state(std::string("\x82\x7f\xff\0\0\0\0\0\0\0", 10), false), SONDE_WEBSOCKET_LOST);  // 2^63 and more
    EXPECT_EQ(state(websocket_frame(ws_final | 0x40 | text, "compressed", false), false), SONDE_WEBSOCKET_HEADER);
}

TEST(WebSocketWalk, RetransmissionsCountOnce) {
    const auto bytes =
        websocket_frame(ws_final | text, "hello", true) + websocket_frame(ws_final | text, "again", true);
    sonde_websocket_walk walk;
    sonde_websocket_begin(&walk, start, 1);
    walk_websocket(walk, start, bytes.substr(0, 8));
    walk_websocket(walk, start, bytes.substr(0, 8));
    walk_websocket(walk, start + 4, bytes.substr(4));
    walk_websocket(walk, start, bytes);
    EXPECT_EQ(walk.messages, 2u);
    EXPECT_EQ(walk.bytes, 10u);
}

TEST(WebSocketWalk, AHoleInsideAPayloadIsSkippedAnyOtherIsLost) {
    const auto bytes = websocket_frame(ws_final | binary, std::string(1000, 'b'), false) +
                       websocket_frame(ws_final | text, "hello", false);
    sonde_websocket_walk walk;
    sonde_websocket_begin(&walk, start, 0);
    walk_websocket(walk, start, bytes.substr(0, 100));
    walk_websocket(walk, start + 500, bytes.substr(500));
    EXPECT_EQ(walk.messages, 2u);
    EXPECT_EQ(walk.bytes, 1005u);

    sonde_websocket_begin(&walk, start, 0);
    walk_websocket(walk, start, bytes.substr(0, 100));
    walk_websocket(walk, start + 1006, bytes.substr(1006));
    EXPECT_EQ(walk.state, SONDE_WEBSOCKET_LOST);
    EXPECT_EQ(walk.messages, 0u);
}

}  // namespace
}  // namespace sonde::test
