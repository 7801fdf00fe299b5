#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "agent/pipeline/decoder.hpp"
#include "bpf/shared/event.h"

namespace sonde {
namespace {

sonde_websocket make() {
    sonde_websocket raw{};
    raw.h.type = SONDE_REC_WEBSOCKET;
    raw.h.size = sizeof raw;
    raw.h.time_ns = 9;
    raw.h.cookie = 7;
    raw.messages = 3;
    raw.bytes = 5'000'000'000;
    raw.closed_ns = 8;
    raw.fin_ns = 6;
    raw.code = 1001;
    raw.direction = SONDE_OUT;
    raw.state = SONDE_WEBSOCKET_CLOSED;
    return raw;
}

std::optional<Event> decoded(const sonde_websocket& raw, std::size_t size = sizeof(sonde_websocket)) {
    std::vector<std::byte> bytes(size);
    std::memcpy(bytes.data(), &raw, std::min(size, sizeof raw));
    return decode(bytes);
}

TEST(WebSocketRecord, SaysWhatOneDirectionCarried) {
    const auto event = decoded(make());
    ASSERT_TRUE(event);
    const auto* counts = std::get_if<WebSocketCounts>(&*event);
    ASSERT_NE(counts, nullptr);
    EXPECT_EQ(counts->cookie, 7u);
    EXPECT_EQ(counts->time_ns, 9u);
    EXPECT_TRUE(counts->outgoing);
    EXPECT_TRUE(counts->is_final);  // nothing may follow a Close
    EXPECT_FALSE(counts->lost);
    EXPECT_EQ(counts->messages, 3u);
    EXPECT_EQ(counts->bytes, 5'000'000'000u);
    EXPECT_EQ(counts->closed_ns, 8u);
    EXPECT_EQ(counts->fin_ns, 6u);
    EXPECT_EQ(counts->code, 1001);
}

TEST(WebSocketRecord, EndAndLossAreTold) {
    auto raw = make();
    raw.state = SONDE_WEBSOCKET_PAYLOAD;
    EXPECT_FALSE(std::get<WebSocketCounts>(*decoded(raw)).is_final);
    raw.h.flags = SONDE_FLAG_FINAL;
    EXPECT_TRUE(std::get<WebSocketCounts>(*decoded(raw)).is_final);
    raw.state = SONDE_WEBSOCKET_LOST;
    EXPECT_TRUE(std::get<WebSocketCounts>(*decoded(raw)).lost);
}

TEST(WebSocketRecord, WhatTheKernelNeverSendsIsRefused) {
    auto raw = make();
    EXPECT_FALSE(decoded(raw, sizeof raw - 1));
    EXPECT_FALSE(decoded(raw, sizeof raw + 8));
    raw.direction = 2;
    EXPECT_FALSE(decoded(raw));
    raw = make();
    raw.state = SONDE_WEBSOCKET_LOST + 1;
    EXPECT_FALSE(decoded(raw));
    raw = make();
    raw.h.type = SONDE_REC_TYPES;
    EXPECT_FALSE(decoded(raw));
}

}  // namespace
}  // namespace sonde
