#include <algorithm>
#include <chrono>
#include <string>

#include "agent/config/sections.hpp"

namespace sonde {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Naming a default rule begins with what that rule says, so that one can change its threshold alone.
class NamedRule {
public:
    explicit NamedRule(AlertRule& rule) : rule_(rule) {}
    NamedRule& operator=(std::string_view name) {
        const auto& defaults = default_alert_rules();
        const auto known =
            std::find_if(defaults.begin(), defaults.end(), [&](const auto& r) { return r.name == name; });
        if (known != defaults.end()) rule_ = *known;
        rule_.name = name;
        return *this;
    }
    explicit operator std::string() const { return rule_.name; }

private:
    AlertRule& rule_;
};

Choices<AlertSeverity> severities() {
    return {{"info", AlertSeverity::info}, {"warning", AlertSeverity::warning}, {"critical", AlertSeverity::critical}};
}

void describe_rule(Section<AlertRule>& s) {
    Choices<AlertSignal> signals;
    for (const auto& known : alert_signals())
        if (known.signal != AlertSignal::none) signals.emplace_back(std::string(known.name), known.signal);
    s.boolean("enabled", &AlertRule::enabled, "Without it the rule says nothing.");
    s.choice("signal", &AlertRule::signal, signals, "What it looks at (alerts.md). A default rule has one.");
    s.choice("scope", &AlertRule::scope,
             Choices<AlertScope>{{"automatic", AlertScope::automatic},
                                 {"node", AlertScope::node},
                                 {"service", AlertScope::service},
                                 {"route", AlertScope::route},
                                 {"container", AlertScope::container}},
             "One alert for each of these.");
    s.choice("side", &AlertRule::side, Choices<Side>{{"server", Side::server}, {"client", Side::client}},
             "Requests that services get, or that they make.");
    s.texts("services", &AlertRule::services, "Any of these; a '*' at the end: any with this beginning. Empty: all.");
    s.texts("routes", &AlertRule::routes, "Likewise.");
    s.choice("comparison", &AlertRule::comparison,
             Choices<AlertComparison>{{"above", AlertComparison::above}, {"below", AlertComparison::below}},
             "Which side of the threshold is bad.");
    s.number("threshold", &AlertRule::threshold, "In the signal's unit: shares 0 to 1, times in seconds.")
        .range(0, 1e18);
    s.duration("window", &AlertRule::window_s, seconds(1), "What it looks back on.").range("10s", "50m");
    s.duration("for", &AlertRule::for_s, seconds(1), "It holds so long before the alert fires.").range("0s", "1d");
    s.duration("resolve_after", &AlertRule::resolve_s, seconds(1), "It is over so long before the alert is.")
        .range("0s", "1d");
    s.number("hysteresis", &AlertRule::hysteresis, "It is over when the value is this share of the threshold off it.")
        .range(0, 0.9);
    s.integer("min_requests", &AlertRule::min_requests, "Fewer in the window say nothing.").range(1, 1'000'000'000);
    s.duration("min_duration", &AlertRule::min_duration_s, seconds(1), "Mean; faster requests say nothing.")
        .range("1us", "1m")
        .zero("any");
    s.choice("severity", &AlertRule::severity, severities(), "How bad it is.");
    s.integer("status_class", &AlertRule::status_class, "Of `status_share`: 5 is 5xx.").range(1, 5);
    s.number("limit", &AlertRule::limit, "Of `websocket_connections`: number that is 100%.").range(0, 1e9);
    s.number("objective", &AlertRule::objective, "Of `burn_rate`: share of good requests that is promised.")
        .range(0.5, 0.99999);
    s.duration("latency", &AlertRule::latency_s, seconds(1), "Of `burn_rate`: a good request is not slower.")
        .range("1ms", "1m")
        .zero("a good request has no error");
    s.duration("long_window", &AlertRule::long_window_s, seconds(1), "Of `burn_rate`.").range("5m", "6h");
    s.duration("short_window", &AlertRule::short_window_s, seconds(1), "Of `burn_rate`.").range("1m", "6h");
    s.text("summary", &AlertRule::summary, "One line, with {variables} (alerts.md).");
    s.text("description", &AlertRule::description, "More, likewise.");
    s.text("runbook", &AlertRule::runbook, "URL of what to do.");
}

void describe_email(Section<EmailOptions>& s) {
    using Encryption = EmailOptions::Encryption;
    s.text("server", &EmailOptions::server, "HOST or HOST:PORT.");
    s.text("from", &EmailOptions::from, "Address.");
    s.texts("to", &EmailOptions::to, "Addresses.");
    s.text("user", &EmailOptions::user, "Empty: no authentication.");
    s.text("password", &EmailOptions::password, "Of that user.").secret();
    s.choice(
        "encryption", &EmailOptions::encryption,
        Choices<Encryption>{{"starttls", Encryption::starttls}, {"tls", Encryption::tls}, {"none", Encryption::none}},
        "starttls and tls: encrypted or not at all.");
    s.text("ca", &EmailOptions::ca_file, "PEM file of authorities. Empty: the system's.");
    s.boolean("verify_tls", &EmailOptions::verify_tls, "Without it anybody may read along.");
    s.duration("timeout", &EmailOptions::timeout_ms, milliseconds(1), "The whole conversation.").range("1ms", "10m");
}

void describe_notifier(Section<NotifierOptions>& s) {
    s.choice("type", &NotifierOptions::type,
             Choices<NotifierType>{{"log", NotifierType::log},
                                   {"webhook", NotifierType::webhook},
                                   {"slack", NotifierType::slack},
                                   {"discord", NotifierType::discord},
                                   {"alertmanager", NotifierType::alertmanager},
                                   {"pagerduty", NotifierType::pagerduty},
                                   {"email", NotifierType::email}},
             "Which kind it is.")
        .required();
    s.choice("severity", &NotifierOptions::min_severity, severities(), "This and worse.");
    s.boolean("resolved", &NotifierOptions::send_resolved, "Tell what is over, too.");
    s.text("url", &NotifierOptions::url, "Where to send; of alertmanager its base. Empty, pagerduty: the public one.")
        .secret();
    s.text("pagerduty_key", &NotifierOptions::pagerduty_key, "Routing key of Events API v2.").secret();
    s.object("email", &NotifierOptions::email, "email.", describe_email);
    s.object("http", &NotifierOptions::http, "All but log and email: the connection.",
             [](Section<HttpClientOptions>& http) {
                 http.text_map("headers", &HttpClientOptions::headers, "Sent with each request; no secrets here.");
                 http.duration("connect_timeout", &HttpClientOptions::connect_timeout_ms, milliseconds(1),
                               "Name, TCP and TLS.")
                     .range("1ms", "5m");
                 http.duration("timeout", &HttpClientOptions::timeout_ms, milliseconds(1), "The whole request.")
                     .range("1ms", "10m");
                 http.text("basic_auth_path", &HttpClientOptions::basic_auth_file,
                           "File with USER:PASSWORD, read again when it changes.");
                 http.text("bearer_token_path", &HttpClientOptions::bearer_token_file,
                           "File with the token, read again when it changes.");
                 http.text("ca", &HttpClientOptions::ca_file, "PEM file of authorities. Empty: the system's.");
                 http.boolean("verify_tls", &HttpClientOptions::verify_tls, "Without it anybody may read along.");
             });
    s.object("retry", &NotifierOptions::retry, "Exponential backoff with full jitter.", [](Section<RetryOptions>& r) {
        r.duration("base_delay", &RetryOptions::base_delay_ms, milliseconds(1), "Longest delay before the first retry.")
            .range("1ms", "1m");
        r.duration("max_delay", &RetryOptions::max_delay_ms, milliseconds(1), "Longest delay of all.")
            .range("1ms", "1h");
        r.duration("max_age", &RetryOptions::max_age_ms, milliseconds(1),
                   "A message this old is given up, and made anew if its alerts still hold.")
            .range("1s", "1d");
    });
    s.text("fallback_directory", &NotifierOptions::fallback_directory,
           "What cannot be told is written to a file in this directory instead. Empty: it is told later.");
}

void describe_maintenance(Section<MaintenanceWindow>& s) {
    s.texts("days", &MaintenanceWindow::days, "`monday` …, on which it begins. Empty: every day.");
    s.text("from", &MaintenanceWindow::from, "HH:MM, UTC.");
    s.text("to", &MaintenanceWindow::to, "HH:MM, UTC; not after `from`: on the next day.");
    s.texts("rules", &MaintenanceWindow::rules, "Any of these; '*' at the end: any with this beginning. Empty: all.");
    s.texts("services", &MaintenanceWindow::services, "Likewise.");
}

void describe_probe(Section<HealthProbeOptions>& s) {
    s.choice("type", &HealthProbeOptions::type,
             Choices<HealthProbeType>{
                 {"http", HealthProbeType::http}, {"tcp", HealthProbeType::tcp}, {"grpc", HealthProbeType::grpc}},
             "A GET, a connection, or a call of grpc.health.v1.");
    s.text("target", &HealthProbeOptions::target, "http: URL; tcp, grpc: HOST:PORT; grpc with TLS: https://HOST:PORT.")
        .required();
    s.duration("interval", &HealthProbeOptions::interval_ms, milliseconds(1), "Between two probes.").range("1s", "1h");
    s.duration("timeout", &HealthProbeOptions::timeout_ms, milliseconds(1), "The whole probe.").range("1ms", "1m");
    s.integers("status", &HealthProbeOptions::status, "http: any of these is good. Empty: 200 to 299.").range(100, 599);
    s.text("body", &HealthProbeOptions::body, "http: the answer contains it. Empty: anything.");
    s.text_map("headers", &HealthProbeOptions::headers, "http: sent with the request; no secrets here.");
    s.text("grpc_service", &HealthProbeOptions::grpc_service, "grpc: its name. Empty: the server as a whole.");
    s.text("ca", &HealthProbeOptions::ca_file, "PEM file of authorities. Empty: the system's.");
    s.boolean("verify_tls", &HealthProbeOptions::verify_tls, "Without it any certificate is good.");
}

}  // namespace

void describe_alerts(Section<Config>& config) {
    config.object(
        "alerts", &Config::alerts, "When the agent raises an alarm, and whom it tells (alerts.md).",
        [](Section<AlertOptions>& s) {
            s.boolean("enabled", &AlertOptions::enabled, "Evaluate rules at all.");
            s.duration("interval", &AlertOptions::interval_ms, milliseconds(1), "Between two evaluations.")
                .range("100ms", "1m");
            s.boolean("default_rules", &AlertOptions::default_rules, "Also the rules of alerts.md.");
            s.named_objects(
                 "rules", &AlertOptions::rules, [](AlertRule& rule) { return NamedRule(rule); },
                 "By name. One with the name of a default rule changes that one.", describe_rule)
                .at_most(1000);
            s.texts("group_by", &AlertOptions::group_by,
                    "Alerts with the same values of these labels are told together; `rule` is one.");
            s.duration("group_wait", &AlertOptions::group_wait_ms, milliseconds(1),
                       "After the first alert of a group, for others to come.")
                .range("0s", "1h");
            s.duration("group_interval", &AlertOptions::group_interval_ms, milliseconds(1),
                       "Between two messages about a group that changed.")
                .range("100ms", "1d");
            s.duration("repeat", &AlertOptions::repeat_s, seconds(1), "What goes on is told again.").range("1m", "30d");
            s.boolean("inhibit", &AlertOptions::inhibit, "A critical alert keeps warnings with the same labels quiet.");
            s.named_objects("notifiers", &AlertOptions::notifiers, &NotifierOptions::name,
                            "Whom to tell, by names of your choice.", describe_notifier)
                .at_most(32);
            s.named_objects("maintenance", &AlertOptions::maintenance, &MaintenanceWindow::name,
                            "Times in which nothing is told, by names of your choice.", describe_maintenance)
                .at_most(64);
            s.text("state_file", &AlertOptions::state_file,
                   "Holds what outlives the agent. Empty: alerts.state in the events directory.");
            s.text("console_url", &AlertOptions::console_url, "Of links in messages. Empty: the address of the API.");
        });
}

void describe_health_probes(Section<Config>& config) {
    config.object("health_probes", &Config::health_probes, "Targets that are asked whether they are well (alerts.md).",
                  [](Section<HealthProbesOptions>& s) {
                      s.named_objects("probes", &HealthProbesOptions::probes, &HealthProbeOptions::name,
                                      "By names of your choice: label `target` of metrics and alerts.", describe_probe)
                          .at_most(256);
                      s.boolean("discover", &HealthProbesOptions::discover,
                                "Also connect to what watched services listen on, 64 at most.");
                  });
}

std::vector<SectionProblem> check_health_probes(const Config& config) {
    std::vector<SectionProblem> problems;
    for (const auto& probe : config.health_probes.probes)
        if (auto wrong = wrong_health_probe(probe); !wrong.empty())
            problems.push_back({probe.name, "probe " + probe.name + ": " + std::move(wrong)});
    return problems;
}

std::vector<SectionProblem> check_alerts(const Config& config) {
    std::vector<SectionProblem> problems;
    for (auto& problem : wrong_alert_options(config.alerts))
        problems.push_back({std::move(problem.name), std::move(problem.message)});
    return problems;
}

}  // namespace sonde
