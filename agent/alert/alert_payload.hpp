#pragma once

#include <cstdint>
#include <string>

#include "agent/alert/alert_options.hpp"
#include "agent/model/alert.hpp"

namespace sonde {

// What each service is sent about a notice: pure functions. All texts are cut to the service's limits at character
// boundaries, and are valid UTF-8 whatever came in. At most alerts_shown alerts are spelled out, the rest is counted.
constexpr std::size_t alerts_shown = 10;

// {"version":1,"status":"firing"|"resolved","group":…,"source":…,"link":…,"alerts":[alert as the API shows it]}
std::string webhook_payload(const AlertNotice& notice);
// Incoming webhooks: https://api.slack.com/messaging/webhooks, attachments with blocks.
std::string slack_payload(const AlertNotice& notice);
// Execute webhook: https://discord.com/developers/docs/resources/webhook#execute-webhook; nobody is mentioned.
std::string discord_payload(const AlertNotice& notice);
// POST /api/v2/alerts (api/v2/openapi.yaml of prometheus/alertmanager). What fires is said to end after
// alertmanager_ends_s unless it is told again, so that it does not outlive the agent.
std::string alertmanager_payload(const AlertNotice& notice, std::uint64_t now_ns);
constexpr std::uint32_t alertmanager_repeat_s = 60, alertmanager_ends_s = 240;
// Events API v2: one event per group, which is its dedup_key. Severity: critical, warning, info.
std::string pagerduty_payload(const AlertNotice& notice, const std::string& routing_key);
// A whole message (RFC 5322), lines end in CRLF; text/plain in UTF-8, base64.
std::string email_message(const AlertNotice& notice, const EmailOptions& email, std::uint64_t now_ns);

// "[firing] critical: 12% of the responses of /x (shop) are 5xx", and how many more.
std::string notice_title(const AlertNotice& notice);

}  // namespace sonde
