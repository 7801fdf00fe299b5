// How alerts come and go: the book, silences, groups, the state file.
#include <gtest/gtest.h>

#include <cstdlib>

#include "agent/alert/alert_dispatcher.hpp"
#include "agent/alert/alert_state_file.hpp"
#include "tests/support/alert_world.hpp"
#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ms = 1'000'000, second = AlertWorld::ns_per_s, start = AlertWorld::epoch_ns;

AlertRule error_rule(std::uint32_t for_s, std::uint32_t resolve_s) {
    AlertRule rule;
    rule.name = "errors";
    rule.signal = AlertSignal::error_share;
    rule.threshold = 0.1;
    rule.window_s = 10;
    rule.for_s = for_s;
    rule.resolve_s = resolve_s;
    return rule;
}

TEST(AlertLife, NoFlappingAtTheThreshold) {
    AlertWorld world({error_rule(5, 5)});
    const auto id = world.endpoint("shop", "/x");
    std::srand(7);
    for (int s = 0; s < 600; ++s) {
        // 100 requests a second with 9 to 11 errors: the window's share wavers about 10%
        const auto bad = 9U + static_cast<unsigned>(std::rand()) % 3;
        world.add(id, bad, 500, ms);
        world.add(id, 100 - bad, 200, ms);
        world.step();
    }
    EXPECT_LE(world.count("errors", AlertState::firing), 1);
    EXPECT_EQ(world.count("errors", AlertState::resolved), 0);
}

TEST(AlertLife, FewRequestsSayNothing) {
    AlertWorld world({error_rule(0, 0)});
    const auto id = world.endpoint("shop", "/x");
    for (int s = 0; s < 60; ++s) {
        world.add(id, 1, 500, ms);  // all fail, but ten of them are below min_requests
        world.step();
    }
    EXPECT_EQ(world.count("errors", AlertState::firing), 0);
}

TEST(AlertLife, OneAlertPerLabelSet) {
    auto by_service = error_rule(0, 0);
    by_service.name = "by_service";
    by_service.scope = AlertScope::service;
    AlertWorld world({error_rule(0, 0), by_service});
    const auto a = world.endpoint("shop", "/a"), b = world.endpoint("shop", "/b"), c = world.endpoint("db", "/c");
    for (int s = 0; s < 20; ++s) {
        for (const auto id : {a, b}) world.add(id, 10, 500, ms);
        world.add(c, 10, 200, ms);
        world.step();
    }
    EXPECT_EQ(world.count("errors", AlertState::firing), 2);
    EXPECT_EQ(world.count("by_service", AlertState::firing), 1);
    EXPECT_EQ(world.alert("by_service")->labels, (AlertLabels{{"service", "shop"}}));
}

TEST(AlertLife, EndsWhenTrafficEnds) {
    AlertWorld world({error_rule(0, 5)});
    const auto id = world.endpoint("shop", "/x");
    for (int s = 0; s < 20; ++s) {
        world.add(id, 10, 500, ms);
        world.step();
    }
    EXPECT_EQ(world.count("errors", AlertState::firing), 1);
    for (int s = 0; s < 30; ++s) world.step();
    EXPECT_EQ(world.count("errors", AlertState::resolved), 1);
}

TEST(AlertLife, WindowsForgetWhatLeft) {
    AlertRule rule = error_rule(0, 0);
    rule.signal = AlertSignal::request_rate;
    rule.threshold = 5;
    AlertWorld world({rule});
    const auto id = world.endpoint("shop", "/x");
    for (int s = 0; s < 100; ++s) {
        world.add(id, s < 50 ? 10 : 1, 200, ms);
        world.step();
    }
    EXPECT_EQ(world.count("errors", AlertState::firing), 1);
    EXPECT_EQ(world.count("errors", AlertState::resolved), 1);
    const auto* cell = world.evaluator.cell_of([&] {
        ActiveAlert alert;
        alert.info.rule = "errors";
        alert.info.labels = {{"method", "GET"}, {"port", "8080"}, {"route", "/x"}, {"service", "shop"}};
        return alert;
    }());
    ASSERT_NE(cell, nullptr);
    EXPECT_GE(cell->count, 10U);
    EXPECT_LE(cell->count, 11U);
}

TEST(AlertLife, SameFingerprintInEveryRun) {
    EXPECT_EQ(alert_fingerprint("errors", {{"service", "shop"}}), alert_fingerprint("errors", {{"service", "shop"}}));
    EXPECT_NE(alert_fingerprint("errors", {{"service", "shop"}}), alert_fingerprint("errors", {{"service", "sho"}}));
    EXPECT_EQ(alert_fingerprint("x", {}).size(), 16U);
}

// A book with alerts that fire, a dispatcher with two notifiers, and a clock.
class AlertDispatch : public testing::Test {
protected:
    AlertDispatch() {
        options_.group_wait_ms = 10'000;
        options_.group_interval_ms = 30'000;
        options_.repeat_s = 3600;
        options_.notifiers = {{.name = "all"}, {.name = "bad", .min_severity = AlertSeverity::critical}};
    }
    AlertRule rule(const char* name, AlertSeverity severity) {
        AlertRule made = error_rule(0, 0);
        made.name = name;
        made.severity = severity;
        return made;
    }
    void fire(const AlertRule& rule, const char* service, const char* route) {
        book_.breach(rule, {{"route", route}, {"service", service}}, 0.5, now_ns_);
    }
    void resolve(const AlertRule& rule, const char* service, const char* route) {
        const auto fingerprint = alert_fingerprint(rule.name, {{"route", route}, {"service", service}});
        book_.calm(rule, book_.alerts().at(fingerprint), 0.0, now_ns_);
    }
    // What is told within so many seconds; all of it arrives.
    std::vector<AlertDispatcher::Outgoing> pass(int seconds, bool arrives = true) {
        std::vector<AlertDispatcher::Outgoing> all;
        for (int s = 0; s < seconds; ++s) {
            now_ns_ += second;
            for (auto& out : dispatcher().dispatch(book_, silences_, now_ns_)) {
                dispatcher().settled(out.notifier, out.notice.group, arrives);
                all.push_back(std::move(out));
            }
        }
        return all;
    }
    AlertDispatcher& dispatcher() {
        if (!dispatcher_) dispatcher_ = std::make_unique<AlertDispatcher>(options_);
        return *dispatcher_;
    }

    AlertOptions options_;
    AlertBook book_;
    AlertSilences silences_;
    std::unique_ptr<AlertDispatcher> dispatcher_;
    std::uint64_t now_ns_ = start;
};

TEST_F(AlertDispatch, AGroupWaitsIsToldOnceAndResolvedOnce) {
    const auto warning = rule("errors", AlertSeverity::warning);
    fire(warning, "shop", "/a");
    EXPECT_TRUE(pass(5).empty());
    fire(warning, "shop", "/b");
    const auto told = pass(10);
    ASSERT_EQ(told.size(), 1U);  // only `all` wants warnings
    EXPECT_EQ(told[0].notice.alerts.size(), 2U);
    EXPECT_EQ(told[0].notice.group_labels, (AlertLabels{{"service", "shop"}}));
    EXPECT_TRUE(pass(600).empty());
    resolve(warning, "shop", "/a");
    const auto over = pass(60);
    ASSERT_EQ(over.size(), 1U);
    EXPECT_EQ(over[0].notice.alerts.size(), 2U);
    EXPECT_TRUE(over[0].notice.firing());
    resolve(warning, "shop", "/b");
    const auto all_over = pass(60);
    ASSERT_EQ(all_over.size(), 1U);
    EXPECT_FALSE(all_over[0].notice.firing());
    EXPECT_TRUE(pass(7200).empty());
    EXPECT_TRUE(book_.alerts().empty());
}

TEST_F(AlertDispatch, RepeatsWhatGoesOn) {
    fire(rule("errors", AlertSeverity::critical), "shop", "/a");
    EXPECT_EQ(pass(60).size(), 2U);  // both notifiers
    EXPECT_EQ(pass(3600).size(), 2U);
}

TEST_F(AlertDispatch, WhatDidNotArriveIsToldAgain) {
    fire(rule("errors", AlertSeverity::warning), "shop", "/a");
    EXPECT_EQ(pass(15, false).size(), 1U);
    EXPECT_EQ(pass(35, true).size(), 1U);
    EXPECT_TRUE(pass(600).empty());
}

TEST_F(AlertDispatch, NothingElseIsToldWhileANoticeIsUnderWay) {
    const auto warning = rule("errors", AlertSeverity::warning);
    fire(warning, "shop", "/a");
    std::size_t told = 0;
    for (int s = 0; s < 120; ++s) told += dispatcher().dispatch(book_, silences_, now_ns_ += second).size();
    EXPECT_EQ(told, 1U);
    EXPECT_EQ(dispatcher().in_flight(), 1U);
}

TEST_F(AlertDispatch, CriticalInhibitsWarning) {
    fire(rule("errors", AlertSeverity::warning), "shop", "/a");
    fire(rule("down", AlertSeverity::critical), "shop", "/a");
    fire(rule("errors", AlertSeverity::warning), "shop", "/b");  // another label set: no matter
    const auto told = pass(15);
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].notice.alerts.size(), 2U);
    EXPECT_EQ(told[1].notice.alerts.size(), 1U);
    resolve(rule("down", AlertSeverity::critical), "shop", "/a");
    const auto later = pass(60);
    EXPECT_EQ(later.front().notice.alerts.size(), 3U);  // one over, two that fire
}

TEST_F(AlertDispatch, SilencesAndMaintenance) {
    AlertSilence silence;
    silence.matchers = {{"service", "sh*"}, {"rule", "errors"}};
    silence.reason = "we know";
    silence.ends_ns = now_ns_ + 100 * second;
    ASSERT_TRUE(silences_.add(silence, now_ns_));
    fire(rule("errors", AlertSeverity::critical), "shop", "/a");
    EXPECT_TRUE(pass(90).empty());
    EXPECT_EQ(pass(60).size(), 2U);  // it still fires when the silence ends

    MaintenanceWindow window;
    window.from = "22:00";
    window.to = "02:00";
    window.days = {"tuesday"};
    AlertInfo info;
    info.rule = "errors";
    constexpr std::uint64_t tuesday_ns = 1'700'006'400 * second,
                            hour_ns = 3600 * second;                       // 2023-11-15 00:00 is Wednesday
    EXPECT_TRUE(in_maintenance(window, info, tuesday_ns - hour_ns));       // Tuesday 23:00
    EXPECT_TRUE(in_maintenance(window, info, tuesday_ns + hour_ns));       // Wednesday 01:00
    EXPECT_FALSE(in_maintenance(window, info, tuesday_ns + 3 * hour_ns));  // Wednesday 03:00
    EXPECT_FALSE(in_maintenance(window, info, tuesday_ns + 23 * hour_ns));
    window.services = {"db"};
    EXPECT_FALSE(in_maintenance(window, info, tuesday_ns - hour_ns));
}

TEST_F(AlertDispatch, SilencesNeedAReasonAndAnEnd) {
    AlertSilence silence;
    silence.matchers = {{"rule", "errors"}};
    silence.ends_ns = now_ns_ + second;
    EXPECT_FALSE(silences_.add(silence, now_ns_));
    silence.reason = "we know";
    silence.ends_ns = now_ns_;
    EXPECT_FALSE(silences_.add(silence, now_ns_));
    silence.ends_ns = now_ns_ + second;
    const auto id = silences_.add(silence, now_ns_);
    ASSERT_TRUE(id);
    EXPECT_TRUE(silences_.end(*id, now_ns_));
    EXPECT_FALSE(silences_.end(*id, now_ns_));
}

TEST_F(AlertDispatch, ARestartKnowsWhoWasTold) {
    const auto warning = rule("errors", AlertSeverity::warning);
    fire(warning, "shop", "/a");
    ASSERT_EQ(pass(15).size(), 1U);
    AlertStored state;
    for (const auto& [fingerprint, alert] : book_.alerts()) state.alerts.push_back(alert.info);
    state.tellings = dispatcher().tellings();
    AlertSilence silence{"id", {{"rule", "x"}}, "because", "me", 1, now_ns_ + second};
    state.silences.push_back(silence);
    TemporaryDirectory directory;
    const auto path = directory.path() + "/alerts.state";
    ASSERT_TRUE(save_alert_state(path, state));
    const auto read = load_alert_state(path);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->silences.at(0).matchers, silence.matchers);

    AlertBook book;
    ActiveAlert alert;
    alert.info = read->alerts.at(0);
    EXPECT_EQ(alert.info.fingerprint, state.alerts[0].fingerprint);
    book.restore(alert);
    book_ = std::move(book);
    dispatcher_ = std::make_unique<AlertDispatcher>(options_);
    dispatcher_->restore(read->tellings);
    EXPECT_TRUE(pass(120).empty());
    resolve(warning, "shop", "/a");
    EXPECT_EQ(pass(60).size(), 1U);
}

TEST(AlertState, RefusesWhatItDidNotWrite) {
    for (const auto* text : {"", "{", "[]", "{}", R"({"version":1,"alerts":[1],"past":[],"told":[],"silences":[]})",
                             R"({"version":2,"alerts":[],"past":[],"told":[],"silences":[]})"})
        EXPECT_FALSE(read_alert_state(text)) << text;
    EXPECT_TRUE(read_alert_state(write_alert_state({})));
    EXPECT_TRUE(load_alert_state("/no/such/file"));
}

}  // namespace
}  // namespace sonde
