#include "agent/alert/alert_rule.hpp"

namespace sonde {
namespace {

constexpr std::uint32_t minute_s = 60;

AlertRule rule(const char* name, AlertSignal signal, double threshold, AlertSeverity severity, std::uint32_t for_s,
               const char* summary) {
    AlertRule made;
    made.name = name;
    made.signal = signal;
    made.threshold = threshold;
    made.severity = severity;
    made.for_s = for_s;
    made.summary = summary;
    return made;
}

// What is told once and is over by itself.
AlertRule news(const char* name, AlertSignal signal, const char* summary) {
    auto made = rule(name, signal, 0, AlertSeverity::info, 0, summary);
    made.window_s = 5 * minute_s;
    made.resolve_s = 0;
    made.hysteresis = 0;
    return made;
}

// Counts of things that should not happen at all.
AlertRule never(const char* name, AlertSignal signal, AlertSeverity severity, const char* summary) {
    auto made = rule(name, signal, 0, severity, 0, summary);
    made.window_s = 5 * minute_s;
    made.hysteresis = 0;
    return made;
}

std::vector<AlertRule> of_transactions() {
    using S = AlertSignal;
    const auto critical = AlertSeverity::critical, warning = AlertSeverity::warning;
    std::vector<AlertRule> rules{
        rule("http_5xx", S::status_share, 0.10, critical, minute_s,
             "{value} of the responses of {route} ({service}) are 5xx"),
        rule("http_errors", S::error_share, 0.05, warning, minute_s,
             "{value} of the requests to {route} ({service}) fail"),
        rule("http_slow", S::p95, 2, warning, 2 * minute_s, "p95 of {route} ({service}) is {value}"),
        rule("http_queueing", S::queue_share, 0.5, warning, minute_s,
             "requests to {route} ({service}) spend {value} of their time waiting to be read"),
        rule("downstream_errors", S::error_share, 0.05, warning, minute_s,
             "{value} of the calls that {service} makes to {route} fail"),
    };
    rules[3].min_duration_s = 0.010;
    rules.back().side = Side::client;
    return rules;
}

std::vector<AlertRule> of_the_machine() {
    using S = AlertSignal;
    const auto critical = AlertSeverity::critical, warning = AlertSeverity::warning;
    std::vector<AlertRule> rules{
        rule("probe_failing", S::health_probe, 0, warning, 0, "health probe {target} fails ({value} times in a row)"),
        rule("probe_down", S::health_probe, 2, critical, 0, "health probe {target} failed {value} times in a row"),
        rule("certificate_expires", S::certificate_expiry, 14.0 * 86'400, warning, 0,
             "the certificate of {target} expires in {value}"),
        rule("node_cpu", S::cpu, 0.90, warning, 5 * minute_s, "this machine's CPUs are {value} busy"),
        rule("node_memory", S::memory, 0.85, warning, 5 * minute_s, "{value} of this machine's memory is in use"),
        rule("node_disk", S::disk, 0.85, warning, 5 * minute_s, "{mountpoint} is {value} full"),
        rule("descriptors", S::descriptors, 0.85, warning, minute_s,
             "process {pid} of {service} has {value} of its file descriptors open"),
        rule("container_throttled", S::throttling, 0.5, warning, 5 * minute_s,
             "{container} is throttled in {value} of its periods"),
        never("oom_kill", S::oom_kills, critical, "the kernel killed a process for want of memory"),
        rule("websocket_connections", S::websocket_connections, 0.90, warning, minute_s,
             "WebSocket connections are at {value} of their limit"),
        rule("log_errors", S::log_errors, 60, warning, minute_s, "{service} logs {value} errors"),
    };
    for (auto& made : rules)
        if (made.signal == S::health_probe) {
            made.hysteresis = 0;  // one good probe is the end of it
            made.resolve_s = 0;
        }
    rules[2].comparison = AlertComparison::below;
    rules[2].hysteresis = 0;
    return rules;
}

std::vector<AlertRule> of_the_agent() {
    using S = AlertSignal;
    const auto critical = AlertSeverity::critical, warning = AlertSeverity::warning;
    std::vector<AlertRule> rules{
        never("own_loss", S::own_loss, warning, "sonde lost {value} records: its figures are too low"),
        rule("sink_down", S::sink_down, 0, critical, minute_s, "sink {sink} cannot be reached"),
        rule("queue_filling", S::queue_fill, 0.70, warning, minute_s, "the queue of sink {sink} is {value} full"),
        rule("queue_full", S::queue_fill, 0.90, critical, minute_s, "the queue of sink {sink} is {value} full"),
        rule("config_refused", S::config_failure, 0, warning, 0,
             "sonde's changed configuration is wrong; the old one stays in force"),
        news("service_restarted", S::restarts, "{service} was restarted"),
        news("service_deployed", S::deployments, "{service} runs from another executable or container"),
        news("config_changed", S::config_changes, "sonde's configuration was changed"),
    };
    for (auto& made : rules)
        if (made.threshold == 0) made.hysteresis = 0;
    return rules;
}

}  // namespace

const std::vector<AlertRule>& default_alert_rules() {
    static const auto rules = [] {
        auto all = of_transactions();
        for (auto& part : {of_the_machine(), of_the_agent()}) all.insert(all.end(), part.begin(), part.end());
        return all;
    }();
    return rules;
}

}  // namespace sonde
