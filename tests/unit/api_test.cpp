#include "agent/api/api.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "agent/api/answer.hpp"
#include "agent/api/config_json.hpp"
#include "agent/api/endpoints_api.hpp"
#include "agent/metric/family_names.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr std::string_view hostile = "/<script>alert(1)</script>\x1b[31m\"\\\xff\xe2\x80\xae";

Request request(std::string path, std::string_view query = {}) {
    Request made;
    made.method = "GET";
    made.path = std::move(path);
    made.target = made.path + "?" + std::string(query);
    made.query = Query::parse(query).value();
    return made;
}

class ApiTest : public testing::Test {
protected:
    ApiTest() {
        now_s_ = history_.started_s();
        history_.feed().advance(now_s_ * ns_per_s);
        history_.take_in(std::chrono::milliseconds(0));
        add_api(handlers_, {.version = "1",
                            .history = &history_,
                            .metrics = {},
                            .resources = {},
                            .features =
                                [] {
                                    return std::vector<ApiFeature>{{"one", false, "why", "what"}};
                                },
                            .losses = [] { return LossMatrix{}; },
                            .health = [this] { return health_; },
                            .config =
                                [] {
                                    Config config;
                                    config.http.token = "hunter2-token";
                                    return config_json(config);
                                }});
    }
    void observe(std::string_view route, std::uint64_t ms, std::uint16_t status = 200) {
        Transaction t;
        t.service = "shop";
        t.route = route;
        t.path.assign(route);
        t.method.assign("GET");
        t.status = status;
        t.outcome = status >= 500 ? Outcome::error : Outcome::ok;
        t.duration_ns = ms * 1'000'000;
        t.time_ns = 1'800'000'000 * ns_per_s;
        t.server.port = 80;
        history_.feed().observe(t);
    }
    void pass_second() {
        history_.feed().advance(++now_s_ * ns_per_s);
        while (history_.take_in(std::chrono::milliseconds(0))) {
        }
    }
    Response get(const std::string& path, std::string_view query = {}) {
        return handlers_.at(path)(request(path, query));
    }
    json::object ask(const std::string& path, std::string_view query = {}) {
        const auto response = get(path, query);
        EXPECT_EQ(response.status, 200) << response.body;
        EXPECT_EQ(response.content_type, "application/json");
        return json::parse(response.body).as_object();
    }
    History history_;
    HealthReport health_;
    Handlers handlers_;
    std::uint64_t now_s_;
};

TEST_F(ApiTest, EndpointsFilterSortAndPage) {
    for (int i = 0; i < 30; ++i) observe("/fast", 1);
    for (int i = 0; i < 10; ++i) observe("/slow", 100, i < 5 ? 500 : 200);
    pass_second();
    auto answer = ask("/api/v1/endpoints", "sort=rate");
    EXPECT_EQ(answer["total"].to_number<int>(), 2);
    EXPECT_EQ(answer["transactions"].to_number<int>(), 40);
    const auto first = answer["endpoints"].as_array().at(0).as_object();
    EXPECT_EQ(first.at("route").as_string(), "/fast");
    EXPECT_EQ(first.at("count").to_number<int>(), 30);
    EXPECT_NEAR(first.at("p95_ns").to_number<double>(), 1e6, 7e4);
    EXPECT_TRUE(first.at("phases").at("cpu").is_null()) << "not observed";
    const auto worst = ask("/api/v1/endpoints", "sort=pain")["endpoints"].as_array().at(0).as_object();
    EXPECT_EQ(worst.at("route").as_string(), "/slow");
    EXPECT_EQ(worst.at("error_share").to_number<double>(), 0.5);
    EXPECT_EQ(worst.at("statuses").at("5xx").to_number<int>(), 5);
    EXPECT_EQ(ask("/api/v1/endpoints", "q=slo")["total"].to_number<int>(), 1);
    EXPECT_EQ(ask("/api/v1/endpoints", "side=client")["total"].to_number<int>(), 0);
    EXPECT_EQ(ask("/api/v1/endpoints", "limit=1&offset=1")["endpoints"].as_array().size(), 1U);
    EXPECT_EQ(ask("/api/v1/endpoint", "route=/slow")["sum"].at("count").to_number<int>(), 10);
    EXPECT_EQ(ask("/api/v1/endpoint", "route=/slow&step_s=60")["points"].as_array().size(), 1U);
}

TEST_F(ApiTest, EndpointsSayWhatAllCameToWhateverTheLimit) {
    for (int i = 0; i < 30; ++i) observe("/fast", 1);
    for (int i = 0; i < 10; ++i) observe("/slow", 100, i < 5 ? 500 : 200);
    pass_second();
    const auto sum = ask("/api/v1/endpoints", "limit=1&sort=rate")["sum"].as_object();
    EXPECT_EQ(sum.at("services").to_number<int>(), 1);
    const auto& served = sum.at("server").as_object();
    EXPECT_EQ(served.at("endpoints").to_number<int>(), 2);
    EXPECT_EQ(served.at("count").to_number<int>(), 40);
    EXPECT_EQ(served.at("errors").to_number<int>(), 5);
    EXPECT_EQ(served.at("slowest").at("route").as_string(), "/slow");
    EXPECT_TRUE(sum.at("client").at("slowest").is_null());
    EXPECT_EQ(ask("/api/v1/endpoints", "q=fast")["sum"].at("server").at("count").to_number<int>(), 30);
}

TEST_F(ApiTest, BriefRowsSayTheSameInLess) {
    for (int i = 0; i < 10; ++i) observe("/slow", 100, i < 5 ? 500 : 200);
    pass_second();
    const auto full = get("/api/v1/endpoints"), brief = get("/api/v1/endpoints", "rows=brief");
    EXPECT_LT(brief.body.size(), full.body.size());
    const auto row = json::parse(brief.body).at("endpoints").at(0).as_object();
    const auto full_row = json::parse(full.body).at("endpoints").at(0).as_object();
    for (const auto& [name, value] : full_row)
        if (row.contains(name) && !value.is_object()) {
            EXPECT_EQ(row.at(name), value) << name;
        }
    for (const char* name : {"service", "method", "route", "side", "port", "count", "rate_per_s", "error_share",
                             "mean_ns", "p50_ns", "p95_ns", "p99_ns", "sparkline", "past_hour"})
        EXPECT_TRUE(row.contains(name)) << name;
    EXPECT_EQ(row.at("outcomes").at("error").to_number<int>(), 5);
    EXPECT_EQ(row.at("statuses").at("5xx").to_number<int>(), 5);
    EXPECT_TRUE(row.at("phases").as_object().empty()) << "none was observed";
}

TEST_F(ApiTest, EndpointsOfOneServiceAddUp) {
    for (int i = 0; i < 30; ++i) observe("/fast", 1);
    for (int i = 0; i < 10; ++i) observe("/slow", 100, i < 5 ? 500 : 200);
    pass_second();
    const auto answer = ask("/api/v1/endpoints", "group=service");
    EXPECT_EQ(answer.at("total").to_number<int>(), 1);
    const auto& row = answer.at("endpoints").at(0).as_object();
    EXPECT_EQ(row.at("service").as_string(), "shop");
    EXPECT_EQ(row.at("port").to_number<int>(), 80);
    EXPECT_TRUE(row.at("route").is_null());
    EXPECT_EQ(row.at("count").to_number<int>(), 40);
    EXPECT_EQ(row.at("outcomes").at("error").to_number<int>(), 5);
    EXPECT_EQ(row.at("total").at("count").to_number<int>(), 40);
    EXPECT_NEAR(row.at("p95_ns").to_number<double>(), 1e8, 7e6);
}

// Microseconds that double are noise: they must not make the list change places.
TEST_F(ApiTest, PainIsWhatIsNoticed) {
    const auto burst = [&](std::string_view route, std::uint64_t ms) {
        for (int i = 0; i < 30; ++i) observe(route, ms);
    };
    for (int i = 0; i < 121; ++i) {  // a whole minute at least
        observe("/quick", 1);
        observe("/slow", 100);
        pass_second();
    }
    burst("/quick", 2);
    burst("/slow", 400);
    pass_second();
    const auto answer = ask("/api/v1/endpoints", "window_s=5");
    const auto& rows = answer.at("endpoints").as_array();
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows.at(0).at("route").as_string(), "/slow");
    EXPECT_GT(rows.at(0).at("pain").to_number<double>(), 10);
    EXPECT_EQ(rows.at(1).at("pain").to_number<double>(), 0);
}

// Between two seconds requests come in and nothing is added up anew.
TEST_F(ApiTest, AnswersHoldForASecond) {
    observe("/a", 1);
    pass_second();
    const auto before = history_.generation();
    const auto body = get("/api/v1/endpoints").body;
    observe("/a", 1);
    history_.feed().advance(now_s_ * ns_per_s + ns_per_s / 2);
    while (history_.take_in(std::chrono::milliseconds(0))) {
    }
    EXPECT_EQ(history_.last_number(), 2U) << "it has come in";
    EXPECT_EQ(history_.generation(), before);
    EXPECT_EQ(get("/api/v1/endpoints").body, body);
    pass_second();
    EXPECT_EQ(ask("/api/v1/endpoints")["endpoints"].at(0).at("count").to_number<int>(), 2);
}

TEST_F(ApiTest, AWindowIsSharedUntilTheSecondEnds) {
    observe("/a", 1);
    pass_second();
    SharedWindow windows;
    const auto first = windows.get(history_, 60, 30);
    EXPECT_EQ(windows.get(history_, 60, 30), first);
    EXPECT_NE(windows.get(history_, 60, 1), first);
    EXPECT_EQ(first.use_count(), 1) << "one is held at a time";
    observe("/a", 1);
    pass_second();
    EXPECT_EQ(windows.get(history_, 60, 1)->endpoints.at(0).now.count, 2U);
}

TEST_F(ApiTest, BadParametersAreNamed) {
    for (const auto& [path, query, word] : std::initializer_list<std::array<const char*, 3>>{
             {"/api/v1/endpoints", "window=60", "window_s"},
             {"/api/v1/endpoints", "window_s=0", "5 to 3600"},
             {"/api/v1/endpoints", "window_s=1e3", "whole number"},
             {"/api/v1/endpoints", "sort=p96", "p95"},
             {"/api/v1/endpoint", "step_s=7", "1 (for up to 300 s), 10 or 60"},
             {"/api/v1/transactions", "status=600", "5xx"},
             {"/api/v1/transactions", "limit=1000000", "1000"},
             {"/api/v1/transactions", "outcome=bad", "aborted"}}) {
        const auto response = get(path, query);
        EXPECT_EQ(response.status, 400) << path << query;
        EXPECT_NE(json::parse(response.body).at("error").as_string().find(word), std::string::npos) << response.body;
    }
}

TEST_F(ApiTest, CursorShowsEachOnceAndCountsWhatItMissed) {
    auto next = std::string(ask("/api/v1/transactions", "after=0-0")["next"].as_string());
    std::uint64_t shown = 0, missed = 0;
    for (int second = 0; second < 4; ++second) {
        for (int i = 0; i < 300; ++i) observe("/a", 1);
        pass_second();
        for (;;) {
            auto answer = ask("/api/v1/transactions", "limit=100&after=" + next);
            EXPECT_FALSE(answer["restarted"].as_bool());
            missed += answer["missed"].to_number<std::uint64_t>();
            const auto& rows = answer["transactions"].as_array();
            std::string last = next;
            for (const auto& row : rows) {
                const std::string id(row.at("id").as_string());
                EXPECT_LT(std::stoull(last.substr(last.find('-') + 1)), std::stoull(id.substr(id.find('-') + 1)));
                last = id;
            }
            shown += rows.size();
            next = std::string(answer["next"].as_string());
            if (rows.size() < 100) break;
        }
    }
    EXPECT_EQ(shown + missed, 1200U);
    EXPECT_GE(shown, 1000U);
    EXPECT_TRUE(ask("/api/v1/transactions", "after=12-7")["restarted"].as_bool());
}

TEST_F(ApiTest, TransactionsFilterAndById) {
    observe("/a", 1);
    observe("/a", 500, 503);
    observe("/b", 20, 404);
    pass_second();
    const auto count = [this](std::string_view query) {
        return ask("/api/v1/transactions", query)["transactions"].as_array().size();
    };
    EXPECT_EQ(count(""), 3U);
    EXPECT_EQ(count("status=5xx"), 1U);
    EXPECT_EQ(count("status=404"), 1U);
    EXPECT_EQ(count("min_duration_ns=10000000"), 2U);
    EXPECT_EQ(count("route=/a"), 2U);
    EXPECT_EQ(count("kept_as=failed"), 1U);
    EXPECT_EQ(count("from=1800000000&to=1800000001"), 3U);
    EXPECT_EQ(count("from=1800000001"), 0U);
    EXPECT_EQ(count("q=/b"), 1U);
    const auto slowest = ask("/api/v1/transactions", "sort=duration")["transactions"].as_array().at(0);
    EXPECT_EQ(slowest.at("status").to_number<int>(), 503);
    Request one = request("/api/v1/transactions/");
    one.tail = std::string(slowest.at("id").as_string());
    EXPECT_EQ(json::parse(handlers_.at("/api/v1/transactions/")(one).body).at("duration_ns").to_number<int>(),
              500'000'000);
    for (const char* id : {"", "x", "1-1", "-", "1-", "99999999999999999999-1"}) {
        one.tail = id;
        EXPECT_EQ(handlers_.at("/api/v1/transactions/")(one).status, 404) << id;
    }
}

TEST_F(ApiTest, HostileStringsAreValidJsonEverywhere) {
    observe(hostile, 1);
    pass_second();
    for (const char* path : {"/api/v1/endpoints", "/api/v1/endpoint", "/api/v1/transactions"}) {
        const auto body = get(path).body;
        EXPECT_NO_THROW((void)json::parse(body)) << body;
        EXPECT_EQ(body.find('\x1b'), std::string::npos);
        EXPECT_EQ(body.find('\xff'), std::string::npos);
    }
    const auto refused = get("/api/v1/endpoints", "%ff%00<b>=1");
    EXPECT_EQ(refused.status, 400);
    EXPECT_NO_THROW((void)json::parse(refused.body));
}

TEST_F(ApiTest, TheRest) {
    EXPECT_EQ(ask("/api/v1/features")["features"].at(0).at("without").as_string(), "what");
    EXPECT_EQ(ask("/api/v1/losses")["lost_total"].to_number<int>(), 0);
    EXPECT_NE(ask("/api/v1/config")["yaml"].as_string().find("token: \"***\""), std::string::npos);
    EXPECT_EQ(get("/api/v1/config").body.find("hunter2"), std::string::npos);
    EXPECT_EQ(ask("/health/detailed")["state"].as_string(), "ok");
    health_.state = HealthState::failed;
    EXPECT_EQ(get("/health/detailed").status, 503);
}

TEST(HealthMonitor, PipelineAndLosses) {
    HealthMonitor monitor;
    EXPECT_EQ(monitor.report(5).state, HealthState::degraded) << "starting";
    monitor.sample(100, 0, {});
    EXPECT_EQ(monitor.report(101).state, HealthState::ok);
    EXPECT_EQ(monitor.report(120).state, HealthState::failed) << "it hangs";
    monitor.sample(120, 7, {});
    EXPECT_EQ(monitor.report(121).state, HealthState::degraded);
    monitor.sample(200, 7, {});
    EXPECT_EQ(monitor.report(200).state, HealthState::ok) << "a loss long ago";
}

TEST(HealthMonitor, Memory) {
    HealthMonitor monitor;
    monitor.sample(1, 0, {}, {.resident_bytes = 90 << 20, .max_bytes = 0});
    EXPECT_EQ(monitor.report(1).components.size(), 2U) << "no ceiling, no word";
    monitor.sample(2, 0, {}, {.resident_bytes = 90 << 20, .max_bytes = 96 << 20});
    EXPECT_EQ(monitor.report(2).state, HealthState::ok);
    monitor.sample(3, 0, {}, {.resident_bytes = 97 << 20, .max_bytes = 96 << 20});
    const auto report = monitor.report(3);
    EXPECT_EQ(report.state, HealthState::degraded);
    EXPECT_EQ(report.components.back().name, "memory");
    EXPECT_EQ(report.components.back().reason, "97 MiB resident of 96 MiB: raise memory.max, or watch fewer processes");
}

class BrokenSink final : public Sink {
public:
    [[nodiscard]] std::string_view name() const override { return "broken"; }
    void write(const Record&) override { ++stats_.records, ++stats_.failed_records; }
    Status flush() override { return fail("it is broken"); }
    [[nodiscard]] SinkStats stats() const override { return stats_; }

private:
    SinkStats stats_;
};

TEST(HealthMonitor, ASinkThatFails) {
    Delivery delivery(std::make_unique<BrokenSink>());
    HealthMonitor monitor;
    monitor.sample(1, 0, {&delivery});
    delivery.offer(Transaction{});
    while (delivery.stats().able) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    monitor.sample(2, 0, {&delivery});
    const auto report = monitor.report(2);
    EXPECT_EQ(report.state, HealthState::failed) << "none of its sinks is able";
    EXPECT_EQ(report.components.back().name, "sink/broken");
    EXPECT_EQ(report.components.back().state, HealthState::failed);
}

// Families http_a and http_b, counting how often they were collected.
class Counted final : public prometheus::Collectable, public FamilyNames {
public:
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
        ++collected;
        std::vector<prometheus::MetricFamily> out;
        for (const char* name : {"http_a", "http_b"})
            out.push_back({name, "", prometheus::MetricType::Gauge, {prometheus::ClientMetric{}}});
        return out;
    }
    [[nodiscard]] std::vector<std::string_view> family_prefixes() const override { return {"http_"}; }
    mutable int collected = 0;
};

TEST(MetricsApi, PrefixesPickFamiliesAndPassOverSourcesThatHaveNone) {
    const auto source = std::make_shared<Counted>();
    Handlers handlers;
    ApiSources sources;
    sources.metrics = {source};
    add_api(handlers, sources);
    const auto names = [&handlers](std::string_view query) {
        std::string out;
        const auto answer = handlers.at("/api/v1/metrics")(request("/api/v1/metrics", query));
        const auto body = json::parse(answer.body);
        for (const auto& family : body.as_object().at("families").as_array())
            out += std::string(family.at("name").as_string()) + " ";
        return out;
    };
    EXPECT_EQ(names(""), "http_a http_b ");
    EXPECT_EQ(names("prefix=http"), "http_a http_b ");
    EXPECT_EQ(names("prefix=system_,http_b"), "http_b ");
    EXPECT_EQ(names("prefix=http_abc"), "");
    EXPECT_EQ(source->collected, 4);
    EXPECT_EQ(names("prefix=system_,container_"), "");
    EXPECT_EQ(source->collected, 4);
}

}  // namespace
}  // namespace sonde
