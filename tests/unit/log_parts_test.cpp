// Times, levels, ids, templates and UTF-8: the parts that formats are made of.
#include <gtest/gtest.h>

#include <cstdlib>

#include "agent/log/message_template.hpp"
#include "agent/log/record_fields.hpp"
#include "agent/log/severity.hpp"
#include "agent/log/timestamp.hpp"
#include "agent/log/utf8.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t s = 1'000'000'000;
constexpr std::uint64_t t0 = 1'767'323'045;  // 2026-01-02T03:04:05Z

TimeParser utc() { return TimeParser({.utc_offset_s = 0}); }

TEST(LogTime, DateTimes) {
    auto times = utc();
    const auto ns = [&](std::string_view text) {
        const auto time = times.date_time(text);
        EXPECT_EQ(time.used, text.size()) << text;
        return time.ns;
    };
    EXPECT_EQ(ns("2026-01-02T03:04:05Z"), t0 * s);
    EXPECT_EQ(ns("2026-01-02T03:04:05.6Z"), t0 * s + 600'000'000);
    EXPECT_EQ(ns("2026-01-02T03:04:05.678901234Z"), t0 * s + 678'901'234);
    EXPECT_EQ(ns("2026-01-02T03:04:05.678901234567Z"), t0 * s + 678'901'234);
    EXPECT_EQ(ns("2026-01-02T04:04:05+01:00"), t0 * s);
    EXPECT_EQ(ns("2026-01-01T21:34:05-0530"), t0 * s);
    EXPECT_EQ(ns("2026-01-02 03:04:05,678"), t0 * s + 678'000'000);
    EXPECT_EQ(ns("2026/01/02 03:04:05"), t0 * s);
    EXPECT_EQ(ns("2026-01-02 04:04:05 +0100"), t0 * s);
    EXPECT_EQ(ns("2026-01-02 03:04:05 UTC"), t0 * s);
    EXPECT_EQ(ns("2024-02-29T00:00:00Z"), 1'709'164'800 * s);
    // the divider of the next field is no zone
    EXPECT_EQ(times.date_time("2026-01-02 03:04:05,678 - shop - INFO").used, 23U);
}

TEST(LogTime, WhatIsNoTime) {
    auto times = utc();
    for (const auto text :
         {"", "2026-01-02", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-02T24:00:00Z",
          "1969-12-31T23:59:59Z", "2026-01-02T03:04:5Z", "2026-01/02 03:04:05", "9999-01-01T00:00:00Z"})
        EXPECT_FALSE(times.date_time(text)) << text;
    for (const auto text :
         {"", "-5", "12", "99999999", "1e400", "1767323045x", "0x5", "1767323045.", "184467440737095516160"})
        EXPECT_FALSE(TimeParser::epoch(text)) << text;
}

TEST(LogTime, Epochs) {
    for (const auto text :
         {"1767323045.678", "1767323045678", "1767323045678000", "1767323045678000000", "1.767323045678e9"})
        EXPECT_EQ(TimeParser::epoch(text).ns, t0 * s + 678'000'000) << text;
    EXPECT_EQ(TimeParser::epoch("1767323045").ns, t0 * s);
    EXPECT_EQ(TimeParser::epoch("1767323045678.901").ns, t0 * s + 678'901'000);
}

TEST(LogTime, OtherForms) {
    auto times = utc();
    EXPECT_EQ(times.clf("10/Oct/2000:13:55:36 -0700]").ns, 971'211'336 * s);
    EXPECT_FALSE(times.clf("10/Foo/2000:13:55:36 -0700"));
    EXPECT_EQ(times.jul("Jan 02, 2026 3:04:05 AM shop").ns, t0 * s);
    EXPECT_EQ(times.jul("Jan 02, 2026 12:04:05 AM shop").ns, (t0 - 3 * 3600) * s);
    // klog leaves the year out: the one that puts it closest
    EXPECT_EQ(times.klog("0102 03:04:05.678901 ", (t0 + 86400) * s).ns, t0 * s + 678'901'000);
    EXPECT_EQ(times.klog("1231 23:59:59.000000 ", t0 * s).ns, 1'767'225'599 * s);
    EXPECT_EQ(times.klog("0101 00:00:01.000000 ", 1'767'225'599 * s).ns, 1'767'225'601 * s);
    EXPECT_EQ(times.klog("20260102 03:04:05.678901 ", 0).ns, t0 * s + 678'901'000);
}

TEST(LogTime, ZonesWithDaylightSaving) {
    ::setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    ::tzset();
    TimeParser times;
    EXPECT_EQ(times.date_time("2026-01-02 04:04:05").ns, t0 * s);
    EXPECT_EQ(times.date_time("2026-07-02 05:04:05").ns, (t0 + 181 * 86400) * s);
    EXPECT_EQ(times.date_time("2026-03-29 01:59:59").ns + s, times.date_time("2026-03-29 03:00:00").ns);
    ::unsetenv("TZ");
    ::tzset();
    TimeParser fixed({.utc_offset_s = 3600});
    EXPECT_EQ(fixed.date_time("2026-07-02 04:04:05").ns, (t0 + 181 * 86400) * s);
}

TEST(LogSeverity, WordsAndNumbers) {
    EXPECT_EQ(severity_from_word("Warning"), Severity::warn);
    EXPECT_EQ(severity_from_word("NOTICE"), Severity::info);
    EXPECT_EQ(severity_from_word("crit"), Severity::fatal);
    EXPECT_EQ(severity_from_word("E"), Severity::error);
    EXPECT_EQ(severity_from_word("SEVERE"), Severity::error);
    EXPECT_EQ(severity_from_word("errors"), Severity::unknown);
    EXPECT_EQ(severity_from_word(""), Severity::unknown);
    EXPECT_EQ(severity_from_pino(30), Severity::info);
    EXPECT_EQ(severity_from_pino(60), Severity::fatal);
    EXPECT_EQ(severity_from_python(30), Severity::warn);
    EXPECT_EQ(severity_from_python(50), Severity::fatal);
    EXPECT_EQ(severity_from_otel(1), Severity::trace);
    EXPECT_EQ(severity_from_otel(17), Severity::error);
    EXPECT_EQ(severity_from_otel(24), Severity::fatal);
    EXPECT_EQ(severity_from_otel(25), Severity::unknown);
}

TEST(LogFields, NamesInAnySpelling) {
    EXPECT_EQ(field_role("trace.id"), FieldRole::trace_id);
    EXPECT_EQ(field_role("TraceId"), FieldRole::trace_id);
    EXPECT_EQ(field_role("@timestamp"), FieldRole::time);
    EXPECT_EQ(field_role("log.level"), FieldRole::level);
    EXPECT_EQ(field_role("context.request_id"), FieldRole::request_id);
    EXPECT_EQ(field_role("context.level"), FieldRole::attribute);
    EXPECT_EQ(field_role("order_id"), FieldRole::attribute);
    EXPECT_EQ(field_role(""), FieldRole::attribute);
    EXPECT_EQ(field_role(std::string(1000, 'x')), FieldRole::attribute);
}

TEST(LogFields, TraceIds) {
    const auto id = [](std::string_view text) {
        InlineString<32> out;
        return take_trace_id(text, out) ? std::string(out.view()) : std::string();
    };
    EXPECT_EQ(id("4BF92F3577B34DA6A3CE929D0E0E4736"), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(id("4bf92f35-77b3-4da6-a3ce-929d0e0e4736"), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(id("a3ce929d0e0e4736"), "0000000000000000a3ce929d0e0e4736");
    EXPECT_EQ(id("projects/shop/traces/4bf92f3577b34da6a3ce929d0e0e4736"), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(id("1-5759e988-bd862e3fe1be46a994272793"), "5759e988bd862e3fe1be46a994272793");
    for (const auto text : {"", "0", "00000000000000000000000000000000", "xyz", "4bf92f3577b34da6a3ce929d0e0e47360"})
        EXPECT_EQ(id(text), "") << text;
}

TEST(LogTemplate, WhatVariesIsTakenOut) {
    const auto made = [](std::string_view text) { return std::string(MessageTemplate(text).view()); };
    EXPECT_EQ(made("order 4711 of \"bob\" failed after 12ms: 10.0.0.1:80 refused"),
              "order <*> of <*> failed after <*>: <*> refused");
    EXPECT_EQ(made("user 8a6e0804-2bd0-4672-b79d-d97027f9071a gone"), "user <*> gone");
    EXPECT_EQ(made("can't open 'x y' now"), "can't open <*> now");
    EXPECT_EQ(made("no variable"), "no variable");
    EXPECT_EQ(made("5"), "<*>");
    EXPECT_EQ(made(""), "");
    EXPECT_EQ(made("first\nsecond"), "first");
    EXPECT_EQ(made("an \"open quote"), "an \"open quote");
    EXPECT_LE(made(std::string(5000, 'x')).size(), MessageTemplate::size_max);
    EXPECT_EQ(MessageTemplate("a 1 b").hash(), MessageTemplate("a 22 b").hash());
    EXPECT_NE(MessageTemplate("a 1 b").hash(), MessageTemplate("a 1 c").hash());
    EXPECT_NE(MessageTemplate("").hash(), 0U);
}

TEST(LogUtf8, MaximalSubpartsAreReplaced) {
    TextArena arena;
    const auto repaired = [&](std::string_view text, bool expect_changed) {
        bool changed = false;
        const std::string out(add_as_utf8(text, arena, changed));
        EXPECT_EQ(changed, expect_changed) << text;
        EXPECT_TRUE(is_utf8(out));
        return out;
    };
    using std::string_view_literals::operator""sv;
    EXPECT_EQ(repaired("grüße 😀", false), "grüße 😀");
    EXPECT_EQ(repaired("a\0b"sv, false), std::string("a\0b", 3));
    EXPECT_EQ(repaired("a\xff z", true), "a\xef\xbf\xbd z");
    // Unicode 15, table 3-8
    EXPECT_EQ(repaired("\xf1\x80\x80\x41", true), "\xef\xbf\xbd\x41");
    EXPECT_EQ(repaired("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", true),
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x41");
    EXPECT_EQ(repaired("\xed\xa0\x80", true), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // a surrogate
    EXPECT_EQ(repaired("\xc0\xaf", true), "\xef\xbf\xbd\xef\xbf\xbd");                  // an overlong form
    EXPECT_EQ(repaired("12345678\xc3", true), "12345678\xef\xbf\xbd");
}

}  // namespace
}  // namespace sonde
