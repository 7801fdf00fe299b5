#include "agent/config/unit.hpp"

#include <gtest/gtest.h>

#include <array>

#include "agent/config/nearest.hpp"

namespace sonde {
namespace {

TEST(ConfigUnit, DurationsHaveAUnit) {
    EXPECT_EQ(parse_duration("250ms"), 250'000'000);
    EXPECT_EQ(parse_duration("1.5s"), 1'500'000'000);
    EXPECT_EQ(parse_duration("5 s"), 5'000'000'000);
    EXPECT_EQ(parse_duration("2h"), 7'200'000'000'000);
    EXPECT_EQ(parse_duration("3us"), 3'000);
    EXPECT_EQ(parse_duration("3µs"), 3'000);
    EXPECT_EQ(parse_duration("0"), 0);
    for (const auto* bad : {"", "5", "s", "-5s", "+5s", ".5s", "5s ", "5  s", "1e3s", "5S", "0x5s", "1.2.3s", "5sec",
                            "9223372037s5", "300000d", "1e400s", "inf s", "nan"})
        EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
}

TEST(ConfigUnit, SizesArePowersOf1000Or1024) {
    EXPECT_EQ(parse_size("512"), 512);
    EXPECT_EQ(parse_size("512B"), 512);
    EXPECT_EQ(parse_size("64KiB"), 65'536);
    EXPECT_EQ(parse_size("10MB"), 10'000'000);
    EXPECT_EQ(parse_size("1.5 GiB"), 1'610'612'736);
    for (const auto* bad :
         {"", "-1", "-1B", "1K", "1Kib", "1 floppy", "9223372036854775807KiB", "99999999999999999999"})
        EXPECT_EQ(parse_size(bad), std::nullopt) << bad;
    EXPECT_EQ(parse_rate("10MB/s"), 10'000'000);
    EXPECT_EQ(parse_rate("0"), 0);
    EXPECT_EQ(parse_rate("10MB"), std::nullopt);
    EXPECT_EQ(parse_rate("10MB/m"), std::nullopt);
}

TEST(ConfigUnit, WhatIsShownIsReadAsTheSame) {
    for (const std::int64_t value : {std::int64_t{0}, std::int64_t{1}, std::int64_t{999}, std::int64_t{1'000},
                                     std::int64_t{1'024}, std::int64_t{65'536}, std::int64_t{90'000'000'000},
                                     std::int64_t{7'200'000'000'000}, std::int64_t{1'234'567'890'123'456'789}}) {
        EXPECT_EQ(parse_duration(format_duration(value)), value) << format_duration(value);
        EXPECT_EQ(parse_size(format_size(value)), value) << format_size(value);
        EXPECT_EQ(parse_rate(format_rate(value)), value) << format_rate(value);
    }
    EXPECT_EQ(format_duration(90'000'000'000), "90s");
    EXPECT_EQ(format_size(8 << 20), "8MiB");
    EXPECT_EQ(format_rate(10'000'000), "10MB/s");
}

TEST(ConfigNearest, SlipsOfAFinger) {
    const std::array<std::string, 4> keys{"listen", "head_rate", "interval", "keep_errors"};
    EXPECT_EQ(nearest("lisen", keys), "listen");
    EXPECT_EQ(nearest("lsiten", keys), "listen");
    EXPECT_EQ(nearest("HEAD-RATE", keys), "head_rate");
    EXPECT_EQ(nearest("keep_error", keys), "keep_errors");
    EXPECT_EQ(nearest("colour", keys), "");
    EXPECT_EQ(nearest("", keys), "");
    EXPECT_EQ(nearest(std::string(100, 'a'), keys), "");
}

}  // namespace
}  // namespace sonde
