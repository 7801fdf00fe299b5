#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/alert/alert_rule.hpp"
#include "sinks/delivery/circuit_breaker.hpp"
#include "sinks/delivery/retry_schedule.hpp"
#include "sinks/net/http_client.hpp"

namespace sonde {

enum class NotifierType : std::uint8_t { log, webhook, slack, discord, alertmanager, pagerduty, email };

struct EmailOptions {
    std::string server{};  // HOST or HOST:PORT; port 587 where none is given
    std::string from{};
    std::vector<std::string> to{};
    std::string user{};
    std::string password{};
    enum class Encryption : std::uint8_t { starttls, tls, none } encryption = Encryption::starttls;
    std::string ca_file{};  // PEM; empty: the system's
    bool verify_tls = true;
    std::uint32_t timeout_ms = 15'000;  // 1 … 600,000; the whole conversation
};

// Where alerts are told. Parts that do not concern the type are not looked at.
struct NotifierOptions {
    std::string name{};  // of metrics, messages and the thread `sink/<name>`
    NotifierType type = NotifierType::log;
    AlertSeverity min_severity = AlertSeverity::info;
    bool send_resolved = true;
    std::string url{};            // webhook; slack, discord: the incoming webhook; alertmanager: its base;
                                  // pagerduty: empty for the public one. May hold a secret.
    std::string pagerduty_key{};  // routing key of Events API v2
    HttpClientOptions http{};     // its url is the one above
    EmailOptions email{};
    RetryOptions retry{};
    BreakerOptions breaker{};
    std::string fallback_directory{};  // what cannot be told goes to a file there; empty: it is told again later
};

// A time in which nothing is told.
struct MaintenanceWindow {
    std::string name{};
    std::vector<std::string> days{};      // "monday" …; empty: every day
    std::string from = "00:00";           // HH:MM, UTC
    std::string to = "00:00";             // HH:MM, UTC; not after `from`: on the next day
    std::vector<std::string> rules{};     // any of these, '*' at the end: any with this beginning; empty: all
    std::vector<std::string> services{};  // likewise; empty: all, and what is of no service
};

struct AlertOptions {
    bool enabled = true;
    std::uint32_t interval_ms = 1000;  // 100 … 60,000: between two evaluations
    bool default_rules = true;
    std::vector<AlertRule> rules{};  // replace defaults of the same name
    std::vector<std::string> group_by{"service"};
    std::uint32_t group_wait_ms = 10'000;      // 0 … 3,600,000: after a group's first alert
    std::uint32_t group_interval_ms = 30'000;  // 100 … 86,400,000: between two messages about a group that changed
    std::uint32_t repeat_s = 4 * 3600;         // 60 … 2,592,000: a group that goes on firing is told again
    bool inhibit = true;                       // a critical alert keeps warnings with the same labels quiet
    std::vector<NotifierOptions> notifiers{};
    std::vector<MaintenanceWindow> maintenance{};
    std::string state_file{};   // empty: alerts.state in the events directory, and none without one
    std::string console_url{};  // of links; empty: http:// and the address of the API
};

// What is wrong, and with which rule, notifier or window; empty message: nothing.
struct AlertProblem {
    std::string name;
    std::string message;
};
std::vector<AlertProblem> wrong_alert_options(const AlertOptions& options);

// Minutes since midnight; -1: not HH:MM.
int minutes_of_day(const std::string& text);
// 0: Sunday … 6; -1: no such day.
int day_of_week(const std::string& text);

}  // namespace sonde
