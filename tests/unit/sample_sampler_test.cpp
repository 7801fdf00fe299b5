#include "agent/sample/sampler.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>

#include "agent/sample/sample_hash.hpp"
#include "agent/sample/sink_rate.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

std::shared_ptr<const SamplingPolicy> policy_of(const SamplingConfig& config) {
    auto policy = SamplingPolicy::build(config);
    EXPECT_TRUE(policy) << policy.error().message();
    return policy ? *policy : SamplingPolicy::defaults();
}

Transaction make(std::string_view route, std::uint16_t status, std::uint64_t duration_ns = 1'000'000) {
    Transaction t;
    t.service = "shop";
    t.route = route;
    t.path.assign(route);
    t.status = status;
    t.outcome = status >= 500 ? Outcome::error : Outcome::ok;
    t.duration_ns = duration_ns;
    return t;
}

class Decisions {
public:
    explicit Decisions(const SamplingConfig& config)
        : policy_(policy_of(config)), sampler_(policy_, [](const Transaction&, bool) {}) {}
    std::string name(const Transaction& t, bool error_log = false) {
        const auto decision = sampler_.decide({t, 1, 2, error_log, &headers_});
        return std::string(decision.keep ? "+" : "-").append(policy_->decision_name(decision.number));
    }

private:
    const std::shared_ptr<const SamplingPolicy> policy_;
    const std::vector<std::string> headers_{"host"};
    Sampler sampler_;
};

TEST(Sampler, TheFirstThatHoldsDecides) {
    SamplingConfig config{.head_rate = 0,
                          .keep_slower_than_ns = 2 * second_ns,
                          .keep_larger_than_bytes = 1'000'000,
                          .skip_paths = {"/healthz", "/internal/*"},
                          .rules = {{.name = "admin", .routes = {"/admin*"}, .rate = 1},
                                    {.name = "redirects", .status_min = 300, .status_max = 399, .rate = 0},
                                    {.name = "quick", .duration_max_ns = 500'000, .rate = 0},
                                    {.name = "with_host", .services = {"shop"}, .header = "host", .rate = 1}}};
    config.keep_new_routes = config.keep_slower_than_p99 = false;
    Decisions decide(config);
    EXPECT_EQ(decide.name(make("/x", 503)), "+error");
    EXPECT_EQ(decide.name(make("/healthz", 503)), "+error");
    EXPECT_EQ(decide.name(make("/healthz", 200)), "-skipped");
    EXPECT_EQ(decide.name(make("/healthz", 200, 3 * second_ns)), "-skipped");
    EXPECT_EQ(decide.name(make("/internal/x", 200)), "-skipped");
    EXPECT_EQ(decide.name(make("/x", 200, 3 * second_ns)), "+slow");
    EXPECT_EQ(decide.name(make("/admin/x", 302)), "+admin");
    EXPECT_EQ(decide.name(make("/x", 302)), "-redirects");
    EXPECT_EQ(decide.name(make("/x", 200, 400'000)), "-quick");
    EXPECT_EQ(decide.name(make("/x", 200)), "+with_host");
    EXPECT_EQ(decide.name(make("/x", 200), true), "+error_log");
    auto aborted = make("/x", 200);
    aborted.outcome = Outcome::aborted;
    EXPECT_EQ(decide.name(aborted), "+aborted");
    auto large = make("/x", 200);
    large.response_bytes = 2'000'000;
    EXPECT_EQ(decide.name(large), "+large");
    auto other = make("/x", 200);
    other.service = "crm";
    EXPECT_EQ(decide.name(other), "-head");
    auto unobserved = make("/x", 0);
    EXPECT_EQ(decide.name(unobserved), "+with_host");
}

TEST(Sampler, NewRoutesAndSlowOnesForTheirRoute) {
    Decisions decide({.head_rate = 0});
    EXPECT_EQ(decide.name(make("/a", 200)), "+new_route");
    for (int i = 0; i < 1000; ++i) decide.name(make("/a", 200, 1'000'000));
    EXPECT_EQ(decide.name(make("/a", 200, 1'000'000)), "-head");
    EXPECT_EQ(decide.name(make("/a", 200, 10'000'000)), "+slow_for_route");
    EXPECT_EQ(decide.name(make("/b", 200, 10'000'000)), "+new_route");
    EXPECT_EQ(decide.name(make("/b", 200, 20'000'000)), "-head");  // not known yet
}

TEST(Sampler, TheDefaultKeepsAll) {
    std::size_t kept = 0;
    Sampler sampler(SamplingPolicy::defaults(), [&](const Transaction& t, bool) {
        ++kept;
        EXPECT_EQ(t.sample_weight, 1);
    });
    for (std::uint64_t i = 0; i < 1000; ++i) {
        auto t = make("/a", 200);
        sampler.offer(t, {t}, i * 1'000'000);
    }
    EXPECT_EQ(kept, 1000U);
    EXPECT_EQ(sampler.kept(SamplingPolicy::builtin_count), 1000U);
}

TEST(Sampler, TwoAgentsAgreePerTraceId) {
    const SamplingConfig config{.head_rate = 0.1, .rules = {{.name = "half", .routes = {"/half"}, .rate = 0.5}}};
    auto quiet = config;
    quiet.keep_new_routes = quiet.keep_slower_than_p99 = false;
    const auto ignore = [](const Transaction&, bool) {};
    Sampler first(policy_of(quiet), ignore), second(policy_of(quiet), ignore);
    std::mt19937_64 random(3);
    std::size_t kept = 0;
    constexpr std::size_t traces = 20'000;
    for (std::size_t i = 0; i < traces; ++i) {
        const auto high = random(), low = random();
        auto here = make("/a", 200), there = make("/a", 404, 77), half = make("/half", 200);
        here.cookie = random();
        there.time_ns = random();
        const bool keep = first.decide({here, high, low}).keep;
        EXPECT_EQ(second.decide({there, high, low}).keep, keep);
        EXPECT_EQ(first.decide_line(high, low, false, 1).keep, keep);
        // what the lower rate keeps, the higher one keeps too
        if (keep) {
            EXPECT_TRUE(second.decide({half, high, low}).keep);
        }
        kept += keep ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(kept), traces * 0.1, 4 * std::sqrt(traces * 0.09));
}

TEST(Sampler, LogLinesWithoutARequest) {
    Sampler sampler(policy_of({.head_rate = 0}), [](const Transaction&, bool) {});
    EXPECT_TRUE(sampler.decide_line(0, 0, true, 5).keep);
    EXPECT_FALSE(sampler.decide_line(0, 0, false, 5).keep);
}

// Every step at once: tail, rules, head, reservoir, a sink's byte limit.
class Estimate {
public:
    Estimate() : policy_(policy_of(config())) {}

    static SamplingConfig config() {
        SamplingConfig config{.head_rate = 0.3,
                              .skip_paths = {"/healthz"},
                              .rules = {{.name = "rare", .status_min = 404, .status_max = 404, .rate = 0.7}},
                              .route_per_second = 20};
        config.keep_new_routes = false;
        return config;
    }

    // Weighted minus true count by route and status.
    std::map<std::string, double> run(std::uint64_t seed) {
        static constexpr std::string_view routes[] = {"/busy", "/quiet", "/orders/{id}", "/healthz"};
        std::mt19937_64 random(seed);
        std::map<std::string, double> difference;
        std::uint64_t now_ns = seed * 1000 * second_ns;
        SinkRate rate_of_sink(40'000, true);
        Sampler sampler(policy_, [&](const Transaction& t, bool must) {
            const double rate = must ? 1 : rate_of_sink.rate(now_ns);
            errors_written_ += t.outcome == Outcome::error ? 1 : 0;
            if (rate < 1 && unit(random()) >= rate) return;
            rate_of_sink.sent(800);
            difference[key(t)] += t.sample_weight / rate;
        });
        for (int i = 0; i < 600; ++i) {
            now_ns += random() % 10'000'000;
            const auto kind = random() % 100;
            auto t = make(routes[kind < 60   ? 0
                                 : kind < 65 ? 1
                                 : kind < 95 ? 2
                                             : 3],
                          kind % 10 == 3   ? 404
                          : kind % 25 == 7 ? 503
                                           : 200);
            t.duration_ns = 1'000'000 + random() % 1'000'000;
            errors_ += t.outcome == Outcome::error ? 1 : 0;
            if (t.route != "/healthz" || t.status >= 500) difference[key(t)] -= 1;
            sampler.offer(t, {t, random(), random()}, now_ns);
        }
        sampler.finish();
        return difference;
    }
    [[nodiscard]] bool every_error_written() const { return errors_ > 0 && errors_ == errors_written_; }

private:
    static std::string key(const Transaction& t) { return std::string(t.route) + " " + std::to_string(t.status); }
    const std::shared_ptr<const SamplingPolicy> policy_;
    std::uint64_t errors_ = 0, errors_written_ = 0;
};

TEST(SamplingProperties, WeightedCountsAreUnbiasedAndNoErrorIsLost) {
    constexpr std::uint64_t runs = 1000;
    Estimate estimate;
    std::map<std::string, std::pair<double, double>> sums;  // of differences, and of their squares
    for (std::uint64_t seed = 1; seed <= runs; ++seed)
        for (const auto& [key, difference] : estimate.run(seed)) {
            sums[key].first += difference;
            sums[key].second += difference * difference;
        }
    EXPECT_TRUE(estimate.every_error_written());
    ASSERT_GE(sums.size(), 8U);
    for (const auto& [key, sum] : sums) {
        const double mean = sum.first / runs;
        const double sigma = std::sqrt(std::max(0.0, sum.second / runs - mean * mean) / runs);
        EXPECT_LE(std::abs(mean), 4 * sigma) << key << " mean " << mean << " sigma " << sigma;
        if (key.ends_with("503")) {
            EXPECT_EQ(sum.second, 0) << key;
        }
    }
}

TEST(SamplingPolicies, BadOnesAreRefusedWithNameAndReason) {
    const auto refused = [](const SamplingConfig& config, std::string_view words) {
        const auto policy = SamplingPolicy::build(config);
        ASSERT_FALSE(policy) << words;
        EXPECT_NE(policy.error().message().find(words), std::string::npos) << policy.error().message();
        EXPECT_EQ(policy.error().kind, ErrorKind::usage);
    };
    refused({.head_rate = 1.5}, "'head': the rate is outside");
    refused({.head_rate = std::nan("")}, "'head': the rate is outside");
    refused({.rules = {{.name = "a", .rate = -1}}}, "'a': the rate is outside");
    refused({.rules = {{.name = "a", .status_min = 500, .status_max = 400}}}, "'a': no status lies");
    refused({.rules = {{.name = "a", .status_min = 700}}}, "'a': a status lies in");
    refused({.rules = {{.name = "a", .duration_min_ns = 2, .duration_max_ns = 1}}}, "'a': no duration lies");
    refused({.rules = {{.name = "a", .header = "x-debug"}}}, "'x-debug' is not kept");
    refused({.rules = {{.name = "a"}, {.name = "b"}}}, "'a': it matches everything");
    refused({.rules = {{.name = "error", .rate = 1}}}, "two rules of this name");
    refused({.rules = {{.name = "Bad Name"}}}, "lower case");
    refused({.sinks = {{"file", 10}}}, "sink 'file'");
    refused({.route_per_second = 100'000}, "route_per_second");
}

}  // namespace
}  // namespace sonde
