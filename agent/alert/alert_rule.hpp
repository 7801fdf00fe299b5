#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/model/alert.hpp"

namespace sonde {

// What a rule looks at. The value of each is in the unit that alert_signals() names.
enum class AlertSignal : std::uint8_t {
    none,
    // of transactions over the rule's window
    request_rate,   // per second
    error_share,    // outcome error
    aborted_share,  // outcome aborted
    status_share,   // of AlertRule::status_class
    p50,            // durations, seconds
    p90,
    p95,
    p99,
    p999,
    queue_share,  // of the duration
    cpu_share,
    runqueue_share,
    blocked_share,
    active_requests,  // mean number of requests under way (Little's law: sum of durations / time)
    burn_rate,        // error budget, times the rate that uses it up exactly at the end
    // of the machine, services and containers
    active_connections,
    websocket_connections,  // share of AlertRule::limit
    cpu,                    // node: share of all cores; service: cores
    memory,                 // node: share of what it has; container: share of its limit; service: bytes
    disk,                   // share of each file system
    descriptors,            // share of the process's limit
    throttling,             // share of a container's periods
    restarts,               // number in the window
    deployments,            // number in the window: another executable or container
    oom_kills,              // number in the window
    log_errors,             // per minute
    health_probe,           // failures in a row
    certificate_expiry,     // seconds left
    // of the agent
    own_loss,        // records lost in the window
    sink_down,       // 1: the last attempt failed
    queue_fill,      // share
    config_failure,  // 1: the last reload was refused
    config_changes,  // number in the window
};
constexpr std::size_t alert_signal_count = static_cast<std::size_t>(AlertSignal::config_changes) + 1;

enum class AlertScope : std::uint8_t { automatic, node, service, route, container };
enum class AlertUnit : std::uint8_t { number, share, seconds, per_second, per_minute, bytes, flag, factor };

struct AlertSignalTraits {
    AlertSignal signal;
    std::string_view name;
    AlertUnit unit;
    bool of_transactions;            // has a window of cells, and minimum traffic
    std::vector<AlertScope> scopes;  // that it can be asked for; the first is what `automatic` means
};
const std::vector<AlertSignalTraits>& alert_signals();
const AlertSignalTraits& traits_of(AlertSignal signal);
std::string_view to_string(AlertScope scope);
// "12.5%", "2 s", "1.3 GiB"
std::string alert_value_text(AlertUnit unit, double value);
AlertUnit unit_of(AlertSignal signal, AlertScope scope);

enum class AlertComparison : std::uint8_t { above, below };

// One rule: one alert per label set of its scope whose value is beyond the threshold for so long.
struct AlertRule {
    std::string name{};
    bool enabled = true;
    AlertSignal signal = AlertSignal::none;
    AlertScope scope = AlertScope::automatic;
    Side side = Side::server;             // of transactions
    std::vector<std::string> services{};  // any of these, '*' at the end: any with this beginning; empty: all
    std::vector<std::string> routes{};    // likewise
    AlertComparison comparison = AlertComparison::above;
    double threshold = 0;  // in the signal's unit: shares 0 … 1, durations seconds
    // 10 … 3000: a window and its tenth must be over before the history gives an endpoint's place to another
    std::uint32_t window_s = 60;
    std::uint32_t for_s = 60;         // 0 … 86,400: the condition holds so long before it fires
    std::uint32_t resolve_s = 60;     // 0 … 86,400: and is over for so long before it is resolved
    double hysteresis = 0.1;          // 0 … 0.9: it is over when the value is this share of the threshold off it
    std::uint32_t min_requests = 20;  // in the window; fewer say nothing. 1 …
    // Of transactions' signals: mean duration in the window, seconds; shorter ones say nothing. What takes a
    // millisecond waits for half of it on any busy machine, and nobody minds.
    double min_duration_s = 0;
    AlertSeverity severity = AlertSeverity::warning;
    std::uint16_t status_class = 5;  // 1 … 5, of status_share
    double limit = 0;                // of websocket_connections: number that is 100%; 0: not known, says nothing
    // burn_rate: an objective such as 0.999 of requests without error, or below latency_s. threshold is the factor.
    double objective = 0.999;
    double latency_s = 0;                // 0: the objective is about errors
    std::uint32_t long_window_s = 3600;  // 300 … 21,600
    std::uint32_t short_window_s = 300;  // 60 … long_window_s
    std::string summary{};               // {variables}: see docs/alerts.md; empty: written from the rule
    std::string description{};
    std::string runbook{};  // URL

    [[nodiscard]] AlertScope effective_scope() const;
    // Beyond it the alert is over.
    [[nodiscard]] double resolve_threshold() const {
        return comparison == AlertComparison::above ? threshold * (1 - hysteresis) : threshold * (1 + hysteresis);
    }
    [[nodiscard]] bool breaches(double value) const {
        return comparison == AlertComparison::above ? value > threshold : value < threshold;
    }
    [[nodiscard]] bool is_over(double value) const {
        // what is compared with 0 has no room for hysteresis
        return comparison == AlertComparison::above ? value <= resolve_threshold() : value >= resolve_threshold();
    }
};

// What is wrong with the rule, for its author; empty: nothing.
std::string wrong_alert_rule(const AlertRule& rule);

// The rules that hold without any configuration. Source of deploy/prometheus/rules, too.
const std::vector<AlertRule>& default_alert_rules();
// Those of the user, which replace defaults of the same name, and the other defaults; without what is disabled.
std::vector<AlertRule> effective_alert_rules(const std::vector<AlertRule>& own, bool with_defaults);

// "a*" or "a" against a text.
bool alert_text_matches(const std::vector<std::string>& patterns, std::string_view text);

}  // namespace sonde
