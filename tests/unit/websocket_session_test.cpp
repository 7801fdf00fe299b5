#include "agent/pipeline/websocket_session.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

Transaction upgrade(Side side) {
    Transaction t;
    t.side = side;
    t.status = 101;
    return t;
}

WebSocketCounts counts(bool outgoing, std::uint64_t messages, std::uint64_t bytes, std::uint64_t time_ns = 2000) {
    WebSocketCounts event;
    event.outgoing = outgoing;
    event.messages = messages;
    event.bytes = bytes;
    event.time_ns = time_ns;
    return event;
}

WebSocketCounts close(bool outgoing, std::uint16_t code, std::uint64_t closed_ns) {
    auto event = counts(outgoing, 4, 40, closed_ns);
    event.is_final = true;
    event.code = code;
    event.closed_ns = closed_ns;
    return event;
}

TEST(WebSocketSession, TheFirstCloseTellsWhoAndWhy) {
    for (const auto side : {Side::server, Side::client}) {
        WebSocketSession session(upgrade(side), 1000, 7);
        session.on(close(true, 1001, 5000));
        session.on(close(false, 1000, 6000));
        const auto& t = session.end(9000);
        EXPECT_EQ(t.protocol, Protocol::websocket);
        EXPECT_EQ(t.outcome, Outcome::ok);
        EXPECT_EQ(t.duration_ns, 8000u);
        EXPECT_EQ(t.websocket.close_code, 1001);
        EXPECT_TRUE(t.websocket.has_closer);
        EXPECT_EQ(t.websocket.closed_by, side);
        EXPECT_EQ(t.websocket.messages[0], 4);
        EXPECT_EQ(t.websocket.bytes[1], 40);
    }
}

TEST(WebSocketSession, TotalsBecomeWhatHasMoved) {
    WebSocketSession session(upgrade(Side::server), 1000, 7);
    session.on(counts(false, 0, 0));
    auto moved = session.on(counts(false, 3, 100));
    EXPECT_EQ(moved.messages, 3u);
    EXPECT_EQ(moved.bytes, 100u);
    moved = session.on(counts(false, 3, 50));  // told later, counted earlier
    EXPECT_EQ(moved.bytes, 0u);
    moved = session.on(counts(false, 5, 130));
    EXPECT_EQ(moved.messages, 2u);
    EXPECT_EQ(moved.bytes, 30u);
}

TEST(WebSocketSession, ErrorsAndWhatApplicationsAgreeOn) {
    const auto outcome = [](std::uint16_t code) {
        WebSocketSession session(upgrade(Side::server), 1000, 7);
        session.on(close(false, code, 5000));
        session.on(close(true, code, 5001));
        return session.end(6000).outcome;
    };
    EXPECT_EQ(outcome(1000), Outcome::ok);
    EXPECT_EQ(outcome(1005), Outcome::ok);
    EXPECT_EQ(outcome(1011), Outcome::error);
    EXPECT_EQ(outcome(1002), Outcome::error);
    EXPECT_EQ(outcome(4000), Outcome::ok);
}

TEST(WebSocketSession, WithoutACloseTheFirstFinTells) {
    WebSocketSession session(upgrade(Side::server), 1000, 7);
    auto received = counts(false, 2, 20), sent = counts(true, 1, 10);
    received.is_final = sent.is_final = true;
    received.fin_ns = 3000;
    sent.fin_ns = 4000;
    session.on(received);
    session.on(sent);
    const auto& t = session.end(5000);
    EXPECT_EQ(t.outcome, Outcome::aborted);
    EXPECT_EQ(t.websocket.close_code, 0);
    EXPECT_TRUE(t.websocket.has_closer);
    EXPECT_EQ(t.websocket.closed_by, Side::client);
    EXPECT_EQ(t.websocket.messages[0], 2);
}

TEST(WebSocketSession, CountsThatMayBeTooSmallAreUnobserved) {
    WebSocketSession session(upgrade(Side::server), 1000, 7);
    auto lost = counts(false, 2, 20);
    lost.lost = lost.is_final = true;
    session.on(lost);
    session.on(counts(true, 9, 90));  // and the last record of this direction did not come
    const auto& t = session.end(5000);
    EXPECT_EQ(t.outcome, Outcome::unobserved);
    EXPECT_EQ(t.websocket.messages[0], -1);
    EXPECT_EQ(t.websocket.messages[1], -1);
    EXPECT_EQ(t.websocket.bytes[1], -1);
    EXPECT_FALSE(t.websocket.has_closer);
}

TEST(WebSocketSession, OfAKernelThatCountsNothing) {
    WebSocketSession session(upgrade(Side::client), 1000, 7);
    const auto& t = session.end(5000);
    EXPECT_EQ(t.duration_ns, 4000u);
    EXPECT_EQ(t.outcome, Outcome::unobserved);
    EXPECT_EQ(t.websocket.messages[0], -1);
}

}  // namespace
}  // namespace sonde
