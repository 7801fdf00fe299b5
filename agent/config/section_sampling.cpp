#include "agent/config/sections.hpp"

namespace sonde {
namespace {

void describe_tail(Section<SamplingConfig>& s) {
    s.boolean("keep_errors", &SamplingConfig::keep_errors, "Always keep 5xx and broken protocol.");
    s.boolean("keep_aborted", &SamplingConfig::keep_aborted, "Always keep what the peer left.");
    s.boolean("keep_error_logs", &SamplingConfig::keep_error_logs, "Always keep those with an error in their logs.");
    s.boolean("keep_slower_than_p99", &SamplingConfig::keep_slower_than_p99,
              "Always keep those slower than their route's own p99.");
    s.boolean("keep_new_routes", &SamplingConfig::keep_new_routes, "Always keep the first of each route.");
    s.duration("keep_slower_than", &SamplingConfig::keep_slower_than_ns, std::chrono::nanoseconds(1),
               "Always keep slower ones.")
        .range("1us", "1d")
        .zero("no such condition");
    s.size("keep_larger_than", &SamplingConfig::keep_larger_than_bytes, "Always keep larger requests and responses.")
        .range("1B", "1TiB")
        .zero("no such condition");
}

void describe_rule(Section<SamplingRule>& rule) {
    constexpr const char* prefix = " A '*' at the end: any text with this beginning.";
    rule.text("name", &SamplingRule::name, "What counters call it: lower case letters, digits, '_'.").required();
    rule.number("rate", &SamplingRule::rate, "Share that is kept.").range(0, 1);
    rule.texts("services", &SamplingRule::services, std::string("Any of these.") + prefix);
    rule.texts("routes", &SamplingRule::routes, std::string("Any of these.") + prefix);
    rule.texts("paths", &SamplingRule::paths, std::string("Any of these.") + prefix);
    rule.integer("status_min", &SamplingRule::status_min, "Lowest status.").range(100, 599).zero("any");
    rule.integer("status_max", &SamplingRule::status_max, "Highest status.").range(100, 599).zero("any");
    rule.duration("duration_min", &SamplingRule::duration_min_ns, std::chrono::nanoseconds(1), "Shortest duration.")
        .range("0s", "1d");
    rule.duration("duration_max", &SamplingRule::duration_max_ns, std::chrono::nanoseconds(1), "Longest duration.")
        .range("1us", "1d")
        .zero("any");
    rule.text("header", &SamplingRule::header, "This request header was sent: `host` or `user-agent`.");
}

std::string quoted_rule(const std::string& message) {
    const auto begin = message.find('\'');
    if (begin == std::string::npos) return {};
    return message.substr(begin + 1, message.find('\'', begin + 1) - begin - 1);
}

}  // namespace

void describe_sampling(Section<Config>& config) {
    config
        .object("sampling", &Config::sampling, "Which transactions are written out in full (sampling.md).",
                [](Section<SamplingConfig>& s) {
                    s.number("head_rate", &SamplingConfig::head_rate, "Share that is kept of what no rule decides.")
                        .range(0, 1);
                    describe_tail(s);
                    s.texts(
                        "skip_paths", &SamplingConfig::skip_paths,
                        "Never kept, but for errors: health checks. A '*' at the end: any path with this beginning.");
                    s.objects("rules", &SamplingConfig::rules, "The first whose conditions all hold decides.",
                              describe_rule)
                        .at_most(SamplingPolicy::max_rules);
                    s.integer("route_per_second", &SamplingConfig::route_per_second,
                              "Of each route and second, drawn evenly.")
                        .range(1, 1000)
                        .zero("no limit");
                    s.named_objects("sinks", &SamplingConfig::sinks, &SinkLimit::sink, "Limits of sinks, by name.",
                                    [](Section<SinkLimit>& sink) {
                                        sink.rate("rate", &SinkLimit::bytes_per_second, "At most so much.")
                                            .range("4096B/s", "1TiB/s")
                                            .zero("no limit");
                                    });
                    s.boolean("adaptive", &SamplingConfig::adaptive,
                              "A sink's rate falls while its queue is more than three quarters full.");
                })
        .reloadable();
}

std::vector<SectionProblem> check_sampling(const Config& config) {
    const auto policy = SamplingPolicy::build(config.sampling);
    if (policy) return {};
    return {{quoted_rule(policy.error().what), policy.error().message()}};
}

}  // namespace sonde
