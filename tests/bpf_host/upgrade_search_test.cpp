#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "tests/support/upgrade_wire.hpp"

namespace sonde {
namespace {

constexpr std::uint32_t start = 0xfffffff0;  // sequence numbers wrap early on

sonde_upgrade_search search_of(std::string_view bytes, std::size_t cut = 1 << 20) {
    sonde_upgrade_search search;
    sonde_upgrade_begin(&search, start);
    for (std::size_t at = 0; at < bytes.size(); at += cut)
        test::search_upgrade(search, start + static_cast<std::uint32_t>(at), bytes.substr(at, cut));
    return search;
}

const std::string websocket =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nSEC-WebSocket-ACCEPT: x\r\n\r\n";

TEST(UpgradeSearch, FindsTheEndHoweverItIsCut) {
    for (std::size_t cut = 1; cut <= websocket.size(); ++cut) {
        const auto search = search_of(websocket + "frames", cut);
        EXPECT_EQ(search.found, 1) << cut;
        EXPECT_EQ(search.is_websocket, 1) << cut;
        EXPECT_EQ(search.is_h2c, 0) << cut;
        EXPECT_EQ(search.next_seq, start + static_cast<std::uint32_t>(websocket.size())) << cut;
    }
}

TEST(UpgradeSearch, H2cWhateverItsCase) {
    EXPECT_EQ(search_of("HTTP/1.1 101 Switching Protocols\r\nupgrade: H2C\r\n\r\n").is_h2c, 1);
}

// One hash in 2,500 does.
TEST(UpgradeSearch, AnAcceptedWebSocketWhoseHashSpellsH2cIsNone) {
    for (const std::string_view field :
         {"Sec-WebSocket-Accept: sh2CTfhc8rrg8vh2c1vqzPPYHM0=", "X-Id: h2c\r\nSec-WebSocket-Accept: x"}) {
        const auto search = search_of("HTTP/1.1 101 Switching Protocols\r\n" + std::string(field) + "\r\n\r\n");
        EXPECT_EQ(search.is_websocket, 1) << field;
        EXPECT_EQ(search.is_h2c, 0) << field;
    }
}

TEST(UpgradeSearch, AnotherStatusEndsIt) {
    for (std::size_t cut = 1; cut < 20; ++cut) {
        const auto search = search_of("HTTP/1.1 100 Continue\r\nSec-WebSocket-Accept: x\r\n\r\n", cut);
        EXPECT_EQ(search.active, 0);
        EXPECT_EQ(search.found, 0);
    }
}

TEST(UpgradeSearch, FirstBytesThatMayBecomeOne) {
    const auto may = [](std::string_view bytes) {
        std::string padded(bytes);
        padded.resize(std::max<std::size_t>(padded.size(), SONDE_UPGRADE_STATUS_BYTES));
        return sonde_upgrade_may_begin(reinterpret_cast<const std::uint8_t*>(padded.data()),
                                       static_cast<std::uint32_t>(bytes.size())) != 0;
    };
    EXPECT_TRUE(may("H"));
    EXPECT_TRUE(may("HTTP/1.1 1"));
    EXPECT_TRUE(may("HTTP/1.1 101 Switching"));
    EXPECT_FALSE(may(""));
    EXPECT_FALSE(may("HTTP/1.1 200 OK"));
    EXPECT_FALSE(may("HTTP/1.0 101 "));
}

TEST(UpgradeSearch, RetransmissionsAreSkippedAndAHoleEndsIt) {
    sonde_upgrade_search search;
    sonde_upgrade_begin(&search, start);
    test::search_upgrade(search, start, std::string_view(websocket).substr(0, 30));
    test::search_upgrade(search, start, std::string_view(websocket).substr(0, 30));
    test::search_upgrade(search, start + 20, std::string_view(websocket).substr(20));
    EXPECT_EQ(search.found, 1);
    sonde_upgrade_begin(&search, start);
    test::search_upgrade(search, start, std::string_view(websocket).substr(0, 30));
    test::search_upgrade(search, start + 31, std::string_view(websocket).substr(31));
    EXPECT_EQ(search.found, 0);
    EXPECT_EQ(search.active, 0);
}

TEST(UpgradeSearch, AHeadWithoutEndIsGivenUp) {
    const auto search = search_of("HTTP/1.1 101 Switching Protocols\r\n" + std::string(SONDE_UPGRADE_HEAD_MAX, 'x'));
    EXPECT_EQ(search.active, 0);
    EXPECT_EQ(search.found, 0);
}

}  // namespace
}  // namespace sonde
