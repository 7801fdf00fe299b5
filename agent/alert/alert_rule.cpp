#include "agent/alert/alert_rule.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace sonde {
namespace {

std::string formatted(const char* format, double value, const char* unit = "") {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), format, value);
    return text.data() + std::string(unit);
}

std::string seconds_text(double s) {
    if (std::abs(s) >= 2 * 86'400) return formatted("%.1f", s / 86'400, " days");
    if (std::abs(s) >= 2 * 3600) return formatted("%.1f", s / 3600, " h");
    if (std::abs(s) >= 1) return formatted("%.3g", s, " s");
    return formatted("%.3g", s * 1000, " ms");
}

std::string bytes_text(double bytes) {
    constexpr std::array<const char*, 5> units{" B", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    while (std::abs(bytes) >= 1024 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return formatted("%.4g", bytes, units[unit]);
}

using Scopes = std::vector<AlertScope>;

std::vector<AlertSignalTraits> make_signals() {
    using S = AlertSignal;
    using U = AlertUnit;
    const Scopes http{AlertScope::route, AlertScope::service, AlertScope::node};
    const Scopes node{AlertScope::node}, service{AlertScope::service}, container{AlertScope::container};
    return {
        {S::none, "", U::number, false, node},
        {S::request_rate, "request_rate", U::per_second, true, http},
        {S::error_share, "error_share", U::share, true, http},
        {S::aborted_share, "aborted_share", U::share, true, http},
        {S::status_share, "status_share", U::share, true, http},
        {S::p50, "p50", U::seconds, true, http},
        {S::p90, "p90", U::seconds, true, http},
        {S::p95, "p95", U::seconds, true, http},
        {S::p99, "p99", U::seconds, true, http},
        {S::p999, "p999", U::seconds, true, http},
        {S::queue_share, "queue_share", U::share, true, http},
        {S::cpu_share, "cpu_share", U::share, true, http},
        {S::runqueue_share, "runqueue_share", U::share, true, http},
        {S::blocked_share, "blocked_share", U::share, true, http},
        {S::active_requests, "active_requests", U::number, true, http},
        {S::burn_rate, "burn_rate", U::factor, true, {AlertScope::service, AlertScope::node}},
        {S::active_connections, "active_connections", U::number, false, node},
        {S::websocket_connections, "websocket_connections", U::share, false, node},
        {S::cpu, "cpu", U::share, false, {AlertScope::node, AlertScope::service}},
        {S::memory, "memory", U::share, false, {AlertScope::node, AlertScope::service, AlertScope::container}},
        {S::disk, "disk", U::share, false, node},
        {S::descriptors, "descriptors", U::share, false, service},
        {S::throttling, "throttling", U::share, false, container},
        {S::restarts, "restarts", U::number, false, service},
        {S::deployments, "deployments", U::number, false, service},
        {S::oom_kills, "oom_kills", U::number, false, {AlertScope::node, AlertScope::container}},
        {S::log_errors, "log_errors", U::per_minute, false, service},
        {S::health_probe, "health_probe", U::number, false, node},
        {S::certificate_expiry, "certificate_expiry", U::seconds, false, node},
        {S::own_loss, "own_loss", U::number, false, node},
        {S::sink_down, "sink_down", U::flag, false, node},
        {S::queue_fill, "queue_fill", U::share, false, node},
        {S::config_failure, "config_failure", U::flag, false, node},
        {S::config_changes, "config_changes", U::number, false, node},
    };
}

std::string wrong_burn_rate(const AlertRule& rule) {
    if (rule.objective <= 0 || rule.objective >= 1) return "objective is a share between 0 and 1, such as 0.999";
    if (rule.short_window_s > rule.long_window_s) return "short_window is longer than long_window";
    const auto most = 1 / (1 - rule.objective);
    if (rule.threshold >= most)
        return "with this objective the burn rate never exceeds " + formatted("%.4g", most) +
               ": the threshold must be below it";
    return {};
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

}  // namespace

const std::vector<AlertSignalTraits>& alert_signals() {
    static const auto signals = make_signals();
    return signals;
}

const AlertSignalTraits& traits_of(AlertSignal signal) { return alert_signals()[static_cast<std::size_t>(signal)]; }

std::string_view to_string(AlertScope scope) {
    constexpr std::array<std::string_view, 5> names{"automatic", "node", "service", "route", "container"};
    return names[static_cast<std::size_t>(scope)];
}

std::string alert_value_text(AlertUnit unit, double value) {
    switch (unit) {
        case AlertUnit::share:
            return formatted("%.3g", value * 100, "%");
        case AlertUnit::seconds:
            return seconds_text(value);
        case AlertUnit::per_second:
            return formatted("%.4g", value, "/s");
        case AlertUnit::per_minute:
            return formatted("%.4g", value, "/min");
        case AlertUnit::bytes:
            return bytes_text(value);
        case AlertUnit::factor:
            return formatted("%.4g", value, "x");
        case AlertUnit::flag:
            return value != 0 ? "yes" : "no";
        case AlertUnit::number:
            break;
    }
    return formatted("%.6g", value);
}

AlertUnit unit_of(AlertSignal signal, AlertScope scope) {
    if (scope == AlertScope::service && signal == AlertSignal::cpu) return AlertUnit::number;
    if (scope == AlertScope::service && signal == AlertSignal::memory) return AlertUnit::bytes;
    return traits_of(signal).unit;
}

AlertScope AlertRule::effective_scope() const {
    return scope == AlertScope::automatic ? traits_of(signal).scopes.front() : scope;
}

std::string wrong_alert_rule(const AlertRule& rule) {
    if (!is_name(rule.name)) return "a rule's name is made of lower case letters, digits and '_', 64 at most";
    if (rule.signal == AlertSignal::none) return "it has no signal, and no default rule is called so";
    const auto& traits = traits_of(rule.signal);
    if (rule.scope != AlertScope::automatic &&
        std::find(traits.scopes.begin(), traits.scopes.end(), rule.scope) == traits.scopes.end()) {
        std::string known;
        for (const auto scope : traits.scopes) known += (known.empty() ? "" : ", ") + std::string(to_string(scope));
        return std::string(traits.name) + " has no scope " + std::string(to_string(rule.scope)) +
               "; choose from: " + known;
    }
    const auto unit = unit_of(rule.signal, rule.effective_scope());
    if (!std::isfinite(rule.threshold) || rule.threshold < 0) return "the threshold is a number from 0 on";
    if (unit == AlertUnit::share && rule.threshold >= 1 && rule.comparison == AlertComparison::above)
        return "the threshold of " + std::string(traits.name) + " is a share: from 0 to below 1, 0.05 for 5%";
    if (rule.signal == AlertSignal::burn_rate) return wrong_burn_rate(rule);
    if (!traits.of_transactions && !rule.routes.empty()) return std::string(traits.name) + " knows no routes";
    return {};
}

bool alert_text_matches(const std::vector<std::string>& patterns, std::string_view text) {
    return patterns.empty() || std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
               if (pattern.ends_with('*')) return text.starts_with(pattern.substr(0, pattern.size() - 1));
               return pattern == text;
           });
}

std::vector<AlertRule> effective_alert_rules(const std::vector<AlertRule>& own, bool with_defaults) {
    auto rules = own;
    if (with_defaults)
        for (const auto& rule : default_alert_rules())
            if (std::none_of(own.begin(), own.end(), [&](const auto& other) { return other.name == rule.name; }))
                rules.push_back(rule);
    std::erase_if(rules, [](const auto& rule) { return !rule.enabled; });
    return rules;
}

}  // namespace sonde
