#include "agent/sample/policy.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace sonde {
namespace {

Error refuse(const std::string& rule, const std::string& reason) {
    return fail("sampling rule '" + rule + "': " + reason, {}, ErrorKind::usage);
}

// Headers whose presence is known of every request.
constexpr std::array<std::string_view, 2> captured_headers{"host", "user-agent"};

constexpr std::array<std::string_view, SamplingPolicy::builtin_count> builtin_names{
    "error", "aborted", "error_log", "slow", "slow_for_route", "large", "new_route", "skipped"};

bool matches(std::string_view pattern, std::string_view text) {
    if (!pattern.ends_with('*')) return pattern == text;
    return text.starts_with(pattern.substr(0, pattern.size() - 1));
}

// No pattern: any text.
bool matches_any(const std::vector<std::string>& patterns, std::string_view text) {
    return patterns.empty() ||
           std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) { return matches(pattern, text); });
}

bool is_rate(double rate) { return rate >= 0 && rate <= 1; }  // false for NaN

bool has_condition(const SamplingRule& rule) {
    return !rule.services.empty() || !rule.routes.empty() || !rule.paths.empty() || rule.status_min != 0 ||
           rule.status_max != 0 || rule.duration_min_ns != 0 || rule.duration_max_ns != 0 || !rule.header.empty();
}

bool holds(const SamplingRule& rule, const SampleInput& input) {
    const auto& t = input.transaction;
    const bool status_wanted = rule.status_min != 0 || rule.status_max != 0;
    if (status_wanted &&
        (t.status == 0 || t.status < rule.status_min || (rule.status_max != 0 && t.status > rule.status_max)))
        return false;
    if (t.duration_ns < rule.duration_min_ns || (rule.duration_max_ns != 0 && t.duration_ns > rule.duration_max_ns))
        return false;
    if (!rule.header.empty() && (input.headers == nullptr || std::find(input.headers->begin(), input.headers->end(),
                                                                       rule.header) == input.headers->end()))
        return false;
    return matches_any(rule.services, t.service) && matches_any(rule.routes, t.route) &&
           matches_any(rule.paths, t.path.view());
}

Status check_rule(const SamplingRule& rule, bool last) {
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    if (rule.name.empty() || rule.name.size() > 64 || !std::all_of(rule.name.begin(), rule.name.end(), plain))
        return refuse(rule.name, "a name has 1 to 64 lower case letters, digits and '_'");
    if (!is_rate(rule.rate)) return refuse(rule.name, "the rate is outside 0 … 1");
    if (rule.status_min > 599 || rule.status_max > 599 || (rule.status_min != 0 && rule.status_min < 100) ||
        (rule.status_max != 0 && rule.status_max < 100))
        return refuse(rule.name, "a status lies in 100 … 599");
    if (rule.status_max != 0 && rule.status_min > rule.status_max)
        return refuse(rule.name, "no status lies in its range");
    if (rule.duration_max_ns != 0 && rule.duration_min_ns > rule.duration_max_ns)
        return refuse(rule.name, "no duration lies in its range");
    const auto captured = std::find(captured_headers.begin(), captured_headers.end(), rule.header);
    if (!rule.header.empty() && captured == captured_headers.end())
        return refuse(rule.name, "the header '" + rule.header + "' is not kept: use host or user-agent");
    if (!last && !has_condition(rule)) return refuse(rule.name, "it matches everything: no rule behind it can apply");
    return done();
}

}  // namespace

SamplingPolicy::SamplingPolicy(SamplingConfig config) : config_(std::move(config)) {
    drops_ =
        config_.head_rate < 1 || !config_.skip_paths.empty() || config_.route_per_second > 0 ||
        std::any_of(config_.rules.begin(), config_.rules.end(), [](const auto& rule) { return rule.rate < 1; }) ||
        std::any_of(config_.sinks.begin(), config_.sinks.end(), [](const auto& s) { return s.bytes_per_second > 0; });
}

Status SamplingPolicy::check() const {
    constexpr std::uint32_t most_per_second = 1000;
    constexpr std::uint64_t fewest_bytes = 4096;
    if (!is_rate(config_.head_rate)) return refuse("head", "the rate is outside 0 … 1");
    if (config_.rules.size() > max_rules)
        return refuse(config_.rules[max_rules].name, "there may be " + std::to_string(max_rules) + " rules");
    if (config_.route_per_second > most_per_second)
        return refuse("route_per_second", "it is above " + std::to_string(most_per_second));
    std::set<std::string_view> names(builtin_names.begin(), builtin_names.end());
    names.insert("head");
    for (const auto& rule : config_.rules) {
        if (auto good = check_rule(rule, &rule == &config_.rules.back()); !good) return good;
        if (!names.insert(rule.name).second) return refuse(rule.name, "there are two rules of this name");
    }
    std::set<std::string_view> sinks;
    for (const auto& limit : config_.sinks) {
        if (limit.sink.empty() || !sinks.insert(limit.sink).second)
            return refuse("bytes_per_second", "the sink '" + limit.sink + "' has one limit, and a name");
        if (limit.bytes_per_second != 0 && limit.bytes_per_second < fewest_bytes)
            return refuse("bytes_per_second", "sink '" + limit.sink + "': below " + std::to_string(fewest_bytes) +
                                                  " a second not one record may fit");
    }
    return done();
}

Result<std::shared_ptr<const SamplingPolicy>> SamplingPolicy::build(const SamplingConfig& config) {
    const std::shared_ptr<const SamplingPolicy> policy(new SamplingPolicy(config));
    if (auto good = policy->check(); !good) return good.error();
    return policy;
}

std::shared_ptr<const SamplingPolicy> SamplingPolicy::defaults() {
    static const auto policy = *build({});
    return policy;
}

std::string_view SamplingPolicy::decision_name(std::size_t decision) const {
    if (decision < builtin_count) return builtin_names[decision];
    decision -= builtin_count;
    return decision < config_.rules.size() ? std::string_view(config_.rules[decision].name) : "head";
}

std::size_t SamplingPolicy::matching_rule(const SampleInput& input) const {
    std::size_t i = 0;
    while (i < config_.rules.size() && !holds(config_.rules[i], input)) ++i;
    return i;
}

bool SamplingPolicy::skips(std::string_view path) const {
    return !config_.skip_paths.empty() && matches_any(config_.skip_paths, path);
}

}  // namespace sonde
