#include "agent/command/endpoint_table.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

Transaction transaction(Side side, std::string_view service, std::string_view route, std::uint64_t duration_ns,
                        Outcome outcome = Outcome::ok) {
    Transaction t;
    t.side = side;
    t.service = service;
    t.method.assign("GET");
    t.route = route;
    t.duration_ns = duration_ns;
    t.outcome = outcome;
    return t;
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t at = 0;
    for (auto end = text.find('\n'); end != std::string::npos; at = end + 1, end = text.find('\n', at))
        lines.push_back(text.substr(at, end - at));
    return lines;
}

std::size_t columns_of(std::string_view line) {
    std::size_t n = 0;
    for (const char c : line) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return n;
}

TEST(EndpointTable, Durations) {
    EXPECT_EQ(readable_duration(0), "0 µs");
    EXPECT_EQ(readable_duration(310'000), "310 µs");
    EXPECT_EQ(readable_duration(999'600), "1.0 ms");
    EXPECT_EQ(readable_duration(2'900'000), "2.9 ms");
    EXPECT_EQ(readable_duration(42'000'000), "42 ms");
    EXPECT_EQ(readable_duration(999'600'000), "1.0 s");
    EXPECT_EQ(readable_duration(1'200'000'000), "1.2 s");
    EXPECT_EQ(readable_duration(120'000'000'000), "120 s");
}

TEST(EndpointTable, CountsAnInterval) {
    EndpointTable table;
    for (int i = 0; i < 8; ++i) {
        auto t = transaction(Side::server, "shop", "/a", 10'000'000, i == 0 ? Outcome::error : Outcome::aborted);
        t.phase_ns[static_cast<std::size_t>(Phase::queue)] = 2'500'000;
        table.observe(t);
    }
    const auto rows = table.snapshot_and_reset(2.0);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_DOUBLE_EQ(rows[0].rate_per_s, 4.0);
    EXPECT_DOUBLE_EQ(rows[0].error_percent, 12.5);
    EXPECT_DOUBLE_EQ(rows[0].queue_percent, 25.0);
    EXPECT_NEAR(static_cast<double>(rows[0].p50_ns), 10e6, 10e6 / 16);
    EXPECT_TRUE(table.snapshot_and_reset(1.0).empty());
}

TEST(EndpointTable, ServersFirstThenBusiest) {
    EndpointTable table;
    for (int i = 0; i < 9; ++i) table.observe(transaction(Side::client, "shop", "/out", 1000));
    table.observe(transaction(Side::server, "shop", "/rare", 1000));
    for (int i = 0; i < 3; ++i) table.observe(transaction(Side::server, "shop", "/busy", 1000));
    const auto rows = table.snapshot_and_reset(1.0);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].route, "/busy");
    EXPECT_EQ(rows[1].route, "/rare");
    EXPECT_EQ(rows[2].route, "/out");
    EXPECT_LT(rows[2].queue_percent, 0);
}

TEST(EndpointTable, EqualTextAtOtherAddressesIsOneEndpoint) {
    EndpointTable table;
    const std::string one = "/a", two = "/a";
    table.observe(transaction(Side::server, "shop", one, 1000));
    table.observe(transaction(Side::server, "shop", two, 1000));
    EXPECT_EQ(table.snapshot_and_reset(1.0).size(), 1U);
}

TEST(EndpointTable, RestSharesARowUntilThereIsRoom) {
    EndpointTable table(2);
    for (const auto* route : {"/a", "/b", "/c", "/d"}) table.observe(transaction(Side::server, "shop", route, 1000));
    auto rows = table.snapshot_and_reset(1.0);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[2].route, "{other}");
    EXPECT_DOUBLE_EQ(rows[2].rate_per_s, 2.0);
    table.snapshot_and_reset(1.0);
    table.observe(transaction(Side::server, "shop", "/c", 1000));
    rows = table.snapshot_and_reset(1.0);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].route, "/c");
}

TEST(EndpointTable, PictureFitsTheTerminal) {
    EndpointTable table;
    const std::string long_route = "/a/very/long/route/with/{id}/and/then/some/more/of/it/and/again/and/again";
    std::vector<std::string> routes;
    for (int i = 0; i < 40; ++i) routes.push_back(long_route + std::to_string(i));
    for (const auto& route : routes)
        table.observe(transaction(Side::server, "a-service-with-a-very-long-name:8080", route, 999'400'000));
    const auto rows = table.snapshot_and_reset(0.00001);
    for (const int columns : {64, 80, 200}) {
        const auto lines = split(EndpointTable::render(rows, {3725, 12, 0}, columns, 24, false));
        EXPECT_LE(lines.size(), 23U);
        for (const auto& line : lines) EXPECT_LE(columns_of(line), static_cast<std::size_t>(columns)) << line;
        EXPECT_EQ(columns_of(lines[2]), columns_of(lines[3]));
        EXPECT_EQ(lines.back(), "… and 21 more");
    }
    const auto picture = EndpointTable::render(rows, {3725, 12, 0}, 80, 24, false);
    EXPECT_NE(picture.find("up 1 h 02 min  12 transactions  0 lost"), std::string::npos) << picture;
    EXPECT_NE(picture.find("…"), std::string::npos);
}

TEST(EndpointTable, Picture) {
    EndpointTable table;
    auto t = transaction(Side::server, "shop", "/orders/{id}", 310'000);
    t.phase_ns[static_cast<std::size_t>(Phase::queue)] = 31'000;
    table.observe(t);
    const auto lines = split(EndpointTable::render(table.snapshot_and_reset(1.0), {5, 1, 2}, 80, 24, false));
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[0], "sonde  up 5 s  1 transactions  2 lost");
    EXPECT_EQ(lines[2], "SERVICE METHOD ROUTE             SIDE RATE/s ERR%     p50     p95     p99 QUEUE%");
    EXPECT_EQ(lines[3], "shop    GET /orders/{id}         in      1.0    0  310 µs  310 µs  310 µs     10");
}

TEST(EndpointTable, ColourOnlyWhereAsked) {
    EndpointTable table;
    table.observe(transaction(Side::server, "shop", "/a", 1000, Outcome::error));
    const auto rows = table.snapshot_and_reset(1.0);
    EXPECT_EQ(EndpointTable::render(rows, {}, 80, 24, false).find('\x1b'), std::string::npos);
    EXPECT_NE(EndpointTable::render(rows, {}, 80, 24, true).find("\x1b[31m"), std::string::npos);
}

TEST(EndpointTable, NoEscapeSequenceReachesTheTerminal) {
    EndpointTable table;
    table.observe(transaction(Side::server, "shop\x1b[2J", "/\x1b]0;x\a\xff", 1000));
    const auto rows = table.snapshot_and_reset(1.0);
    const auto picture = EndpointTable::render(rows, {}, 80, 24, false) + EndpointTable::render_lines(rows).back();
    EXPECT_EQ(picture.find_first_of("\x1b\a\xff"), std::string::npos);
}

TEST(EndpointTable, LinesAreWhole) {
    EndpointTable table;
    const std::string route(300, 'r');
    table.observe(transaction(Side::client, "shop", route, 2'000'000));
    const auto lines = EndpointTable::render_lines(table.snapshot_and_reset(1.0));
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_NE(lines[1].find("GET " + route + " out"), std::string::npos);
    EXPECT_TRUE(EndpointTable::render_lines({}).empty());
    EXPECT_NE(EndpointTable::render({}, {}, 80, 24, false).find("no HTTP requests"), std::string::npos);
}

}  // namespace
}  // namespace sonde
