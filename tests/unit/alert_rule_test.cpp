#include "agent/alert/alert_rule.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/alert_world.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ms = 1'000'000;

// One rule out of the defaults, as it is.
std::vector<AlertRule> only(const char* name) {
    for (const auto& rule : default_alert_rules())
        if (rule.name == name) return {rule};
    ADD_FAILURE() << "no default rule " << name;
    return {};
}

prometheus::MetricFamily family(
    const std::string& name, prometheus::MetricType type,
    std::vector<std::pair<std::vector<std::pair<std::string, std::string>>, double>> values) {
    prometheus::MetricFamily out{name, "", type, {}};
    for (const auto& [labels, value] : values) {
        auto& metric = out.metric.emplace_back();
        for (const auto& [label, text] : labels) metric.label.push_back({label, text});
        (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    }
    return out;
}
constexpr auto counter = prometheus::MetricType::Counter;
constexpr auto gauge = prometheus::MetricType::Gauge;

// Drives one rule over its threshold and back: it fires once, not before `for`, and is resolved once.
template <typename Bad, typename Good>
void drive(AlertWorld& world, const char* rule, Bad bad, Good good) {
    const auto for_s = world.evaluator.rule(rule)->for_s;
    for (int s = 0; s < 120; ++s) {
        good(s);
        world.step();
    }
    EXPECT_EQ(world.count(rule, AlertState::firing), 0) << rule << " fires without a reason";
    std::uint32_t since = 0;
    for (int s = 0; s < 900; ++s) {
        bad(s);
        world.step();
        if (world.alert(rule) != nullptr && since == 0) since = static_cast<std::uint32_t>(s) + 1;
        if (since != 0 && static_cast<std::uint32_t>(s) + 1 < since + for_s) {
            EXPECT_EQ(world.count(rule, AlertState::firing), 0) << rule << " fires too early";
        }
    }
    EXPECT_EQ(world.count(rule, AlertState::firing), 1) << rule;
    ASSERT_NE(world.alert(rule), nullptr);
    EXPECT_FALSE(world.alert(rule)->summary.empty());
    EXPECT_EQ(world.alert(rule)->summary.find('{'), std::string::npos) << world.alert(rule)->summary;
    EXPECT_EQ(world.count(rule, AlertState::resolved), 0) << rule;
    for (int s = 0; s < 900; ++s) {
        good(s);
        world.step();
    }
    EXPECT_EQ(world.count(rule, AlertState::firing), 1) << rule;
    EXPECT_EQ(world.count(rule, AlertState::resolved), 1) << rule;
}

void drive_requests(const char* rule, std::uint16_t status, std::uint64_t duration_ns, std::uint64_t queue_ns = 0,
                    Side side = Side::server) {
    AlertWorld world(only(rule));
    const auto id = world.endpoint("shop", "/x", side);
    drive(
        world, rule,
        [&](int) {
            world.add(id, 4, status, duration_ns, queue_ns);
            world.add(id, 6, 200, duration_ns, queue_ns);
        },
        [&](int) { world.add(id, 10, 200, 5 * ms, ms / 10); });
}

// A total that grows by bad or good each second.
template <typename Make>
void drive_counter(const char* rule, double bad, double good, Make make, double once_at = -1) {
    AlertWorld world(only(rule));
    double total = 0;
    const auto set = [&](double more) {
        total += more;
        auto families = std::make_shared<std::vector<prometheus::MetricFamily>>();
        make(*families, total, static_cast<double>(world.now_s));
        world.inputs.resources = std::move(families);
    };
    drive(
        world, rule, [&](int s) { set(once_at >= 0 && s % 60 != 0 ? 0 : bad); }, [&](int) { set(good); });
}

template <typename Make>
void drive_gauge(const char* rule, double bad, double good, Make make) {
    AlertWorld world(only(rule), [](std::uint32_t) { return 1000.0; });
    const auto set = [&](double value) {
        auto families = std::make_shared<std::vector<prometheus::MetricFamily>>();
        make(*families, value);
        world.inputs.resources = std::move(families);
    };
    drive(
        world, rule, [&](int) { set(bad); }, [&](int) { set(good); });
}

TEST(AlertRule, DefaultsAreValidAndNamedOnce) {
    std::set<std::string> names;
    for (const auto& rule : default_alert_rules()) {
        EXPECT_EQ(wrong_alert_rule(rule), "") << rule.name;
        EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
        EXPECT_FALSE(rule.summary.empty());
    }
    for (std::size_t i = 0; i < alert_signal_count; ++i)
        EXPECT_EQ(static_cast<std::size_t>(alert_signals()[i].signal), i);
}

TEST(AlertRule, OwnRulesReplaceDefaults) {
    AlertRule own;
    own.name = "http_5xx";
    own.enabled = false;
    const auto rules = effective_alert_rules({own}, true);
    EXPECT_EQ(rules.size(), default_alert_rules().size() - 1);
    EXPECT_TRUE(effective_alert_rules({own}, false).empty());
}

TEST(AlertRule, SaysWhatIsWrong) {
    AlertRule rule;
    rule.name = "Bad Name";
    EXPECT_NE(wrong_alert_rule(rule), "");
    rule.name = "x";
    EXPECT_NE(wrong_alert_rule(rule).find("no signal"), std::string::npos);
    rule.signal = AlertSignal::error_share;
    rule.threshold = 5;
    EXPECT_NE(wrong_alert_rule(rule).find("share"), std::string::npos);
    rule.threshold = 0.05;
    EXPECT_EQ(wrong_alert_rule(rule), "");
    rule.scope = AlertScope::container;
    EXPECT_NE(wrong_alert_rule(rule).find("service"), std::string::npos);
    rule.signal = AlertSignal::burn_rate;
    rule.scope = AlertScope::service;
    rule.objective = 0.9;
    rule.threshold = 14.4;
    EXPECT_NE(wrong_alert_rule(rule).find("never exceeds 10"), std::string::npos);
}

TEST(AlertRule, ValuesHaveUnits) {
    EXPECT_EQ(alert_value_text(AlertUnit::share, 0.125), "12.5%");
    EXPECT_EQ(alert_value_text(AlertUnit::seconds, 0.412), "412 ms");
    EXPECT_EQ(alert_value_text(AlertUnit::seconds, 2), "2 s");
    EXPECT_EQ(alert_value_text(AlertUnit::seconds, 14 * 86'400.0), "14.0 days");
    EXPECT_EQ(alert_value_text(AlertUnit::bytes, 1.5 * 1024 * 1024), "1.5 MiB");
    EXPECT_EQ(alert_value_text(AlertUnit::number, 3), "3");
}

TEST(AlertDefaults, Http5xx) { drive_requests("http_5xx", 503, 5 * ms); }
TEST(AlertDefaults, HttpErrors) { drive_requests("http_errors", 500, 5 * ms); }
TEST(AlertDefaults, HttpSlow) { drive_requests("http_slow", 200, 3000 * ms); }
TEST(AlertDefaults, HttpQueueing) { drive_requests("http_queueing", 200, 50 * ms, 40 * ms); }
TEST(AlertDefaults, QueueingOfFastRequestsIsNoMatter) {
    AlertWorld world(only("http_queueing"));
    const auto id = world.endpoint("shop", "/x");
    for (int s = 0; s < 300; ++s) {
        world.add(id, 10, 200, ms, ms * 8 / 10);
        world.step();
    }
    EXPECT_EQ(world.count("http_queueing", AlertState::firing), 0);
}
TEST(AlertDefaults, DownstreamErrors) { drive_requests("downstream_errors", 500, 5 * ms, 0, Side::client); }

TEST(AlertDefaults, NodeCpu) {
    drive_counter("node_cpu", 1.95, 0.2, [](auto& out, double busy, double now) {
        out.push_back(family("system_cpu_time_seconds_total", counter,
                             {{{{"cpu_mode", "user"}}, busy}, {{{"cpu_mode", "idle"}}, 2 * now - busy}}));
    });
}
TEST(AlertDefaults, NodeMemory) {
    drive_gauge("node_memory", 0.1, 0.5, [](auto& out, double free) {
        out.push_back(family("system_memory_limit_bytes", gauge, {{{}, 1e9}}));
        out.push_back(family("system_memory_linux_available_bytes", gauge, {{{}, free * 1e9}}));
    });
}
TEST(AlertDefaults, NodeDisk) {
    drive_gauge("node_disk", 90, 50, [](auto& out, double used) {
        const auto at = [](const char* state) {
            return std::vector<std::pair<std::string, std::string>>{{"system_filesystem_mountpoint", "/var"},
                                                                    {"system_filesystem_state", state}};
        };
        out.push_back(family("system_filesystem_usage_bytes", gauge, {{at("used"), used}, {at("free"), 100 - used}}));
    });
}
TEST(AlertDefaults, Descriptors) {
    drive_gauge("descriptors", 900, 100, [](auto& out, double open) {
        out.push_back(family("process_open_fds", gauge, {{{{"process_pid", "7"}, {"service_name", "shop"}}, open}}));
    });
}
TEST(AlertDefaults, ContainerThrottled) {
    drive_counter("container_throttled", 8, 0, [](auto& out, double throttled, double now) {
        const std::vector<std::pair<std::string, std::string>> labels{{"id", "/a"}, {"container_id", "abc"}};
        out.push_back(family("container_cpu_cfs_periods_total", counter, {{labels, now * 10}}));
        out.push_back(family("container_cpu_cfs_throttled_periods_total", counter, {{labels, throttled}}));
    });
}
TEST(AlertDefaults, OomKill) {
    drive_counter(
        "oom_kill", 1, 0,
        [](auto& out, double kills, double) {
            out.push_back(family("system_memory_oom_kills_total", counter, {{{}, kills}}));
        },
        0);
}
TEST(AlertDefaults, LogErrors) {
    drive_counter("log_errors", 3, 0.1, [](auto& out, double records, double now) {
        out.push_back(family("sonde_log_records_total", counter,
                             {{{{"service", "shop"}, {"level", "error"}, {"logger", "db"}}, records},
                              {{{"service", "shop"}, {"level", "info"}, {"logger", "db"}}, now * 1000}}));
    });
}
TEST(AlertDefaults, WebsocketConnections) {
    auto rules = only("websocket_connections");
    rules[0].limit = 100;
    AlertWorld world(rules);
    const auto set = [&](double open) {
        world.inputs.more = {
            family("sonde_websocket_connections", gauge, {{{{"side", "server"}}, open}, {{{"side", "client"}}, open}})};
    };
    drive(
        world, "websocket_connections", [&](int) { set(95); }, [&](int) { set(10); });
}

TEST(AlertDefaults, ProbeFailingAndDown) {
    for (const auto* rule : {"probe_failing", "probe_down"}) {
        AlertWorld world(only(rule));
        std::uint32_t failures = 0;
        drive(
            world, rule,
            [&](int) {
                world.inputs.probes = {{"http://shop/health", ++failures}};
            },
            [&](int) {
                world.inputs.probes = {{"http://shop/health", failures = 0}};
            });
    }
}
TEST(AlertDefaults, CertificateExpires) {
    AlertWorld world(only("certificate_expires"));
    drive(
        world, "certificate_expires",
        [&](int) {
            world.inputs.probes = {{"shop", 0, 13 * 86'400.0}};
        },
        [&](int) {
            world.inputs.probes = {{"shop", 0, 60 * 86'400.0}};
        });
}
TEST(AlertDefaults, OwnLoss) {
    AlertWorld world(only("own_loss"));
    drive(
        world, "own_loss", [&](int) { world.inputs.records_lost += 5; }, [](int) {});
}
TEST(AlertDefaults, Sinks) {
    for (const auto* rule : {"sink_down", "queue_filling", "queue_full"}) {
        AlertWorld world(only(rule));
        drive(
            world, rule,
            [&](int) {
                world.inputs.sinks = {{"loki", false, 0.95}, {"file", true, 0.1}};
            },
            [&](int) {
                world.inputs.sinks = {{"loki", true, 0.2}, {"file", true, 0.1}};
            });
    }
}
TEST(AlertDefaults, ConfigRefused) {
    AlertWorld world(only("config_refused"));
    drive(
        world, "config_refused", [&](int) { world.inputs.config_refused = true; },
        [&](int) { world.inputs.config_refused = false; });
}
TEST(AlertDefaults, News) {
    const std::vector<std::pair<const char*, const char*>> news{
        {"service_restarted", "restart"}, {"service_deployed", "deployment"}, {"config_changed", "configuration"}};
    for (const auto& [rule, kind] : news) {
        AlertWorld world(only(rule));
        const std::string service = std::string(rule) == "config_changed" ? "" : "shop";
        for (int s = 0; s < 700; ++s) {
            if (s == 100) world.inputs.changes = {{service, {1, kind, "it happened"}}};
            world.step();
        }
        EXPECT_EQ(world.count(rule, AlertState::firing), 1) << rule;
        EXPECT_EQ(world.count(rule, AlertState::resolved), 1) << rule;
    }
}

TEST(AlertBurnRate, BothWindowsMustBurn) {
    AlertRule rule;
    rule.name = "slo";
    rule.signal = AlertSignal::burn_rate;
    rule.threshold = 14.4;
    rule.for_s = 0;
    rule.resolve_s = 0;
    AlertWorld world({rule});
    const auto id = world.endpoint("shop", "/x");
    const auto run = [&](int seconds, std::uint32_t bad) {
        for (int s = 0; s < seconds; ++s) {
            world.add(id, bad, 500, ms);
            world.add(id, 1000 - bad, 200, ms);
            world.step();
        }
    };
    run(3600, 0);
    run(60, 30);  // the short window burns at 6, the long one at 0.5
    EXPECT_EQ(world.count("slo", AlertState::firing), 0);
    run(3600, 30);
    EXPECT_EQ(world.count("slo", AlertState::firing), 1);
    run(400, 0);  // the long window still burns, but it is over
    EXPECT_EQ(world.count("slo", AlertState::resolved), 1);
}

}  // namespace
}  // namespace sonde
