#include "agent/alert/alert_payload.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "agent/alert/alert_evidence.hpp"
#include "agent/alert/alert_text.hpp"
#include "agent/api/answer.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

// At most `bytes`, whole characters; "…" where something was cut.
std::string cut(std::string_view text, std::size_t bytes) {
    auto valid = valid_utf8(text);
    constexpr std::string_view ellipsis = "…";
    if (valid.size() <= bytes) return valid;
    auto size = bytes - std::min(bytes, ellipsis.size());
    while (size > 0 && (static_cast<unsigned char>(valid[size]) & 0xC0U) == 0x80U) --size;
    valid.resize(size);
    return valid.append(ellipsis);
}

std::size_t shown_count(const AlertNotice& notice) { return std::min(alerts_shown, notice.alerts.size()); }

std::string more_text(const AlertNotice& notice) {
    const auto more = notice.alerts.size() - shown_count(notice);
    return more == 0 ? "" : "and " + std::to_string(more) + " more";
}

const char* status_of(const AlertNotice& notice) { return notice.firing() ? "firing" : "resolved"; }

std::string alert_line(const AlertInfo& alert) {
    return std::string(to_string(alert.state)) + " " + std::string(to_string(alert.severity)) + ": " + alert.summary;
}

// https://api.slack.com/reference/surfaces/formatting#escaping
std::string slack_escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else
            out += c;
    }
    return out;
}

std::uint32_t colour_of(const AlertInfo& alert) {
    if (alert.state == AlertState::resolved) return 0x2E7D32;
    constexpr std::array<std::uint32_t, 3> colours{0x1565C0, 0xF9A825, 0xC62828};
    return colours[static_cast<std::size_t>(alert.severity)];
}

std::string hex_colour(std::uint32_t colour) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "#%06X", colour);
    return text.data();
}

}  // namespace

std::string notice_title(const AlertNotice& notice) {
    if (notice.alerts.empty()) return "sonde";
    auto out = "[" + std::string(status_of(notice)) + "] " + std::string(to_string(notice.alerts.front().severity)) +
               ": " + notice.alerts.front().summary;
    if (notice.alerts.size() > 1) out += " (and " + std::to_string(notice.alerts.size() - 1) + " more)";
    return out;
}

std::string webhook_payload(const AlertNotice& notice) {
    json::object labels;
    for (const auto& [name, value] : notice.group_labels) labels[name] = valid_utf8(value);
    json::array alerts;
    for (const auto& alert : notice.alerts) alerts.push_back(alert_json(alert));
    return json::serialize(json::object{{"version", 1},
                                        {"status", status_of(notice)},
                                        {"severity", to_string(notice.severity())},
                                        {"title", valid_utf8(notice_title(notice))},
                                        {"group", notice.group},
                                        {"group_labels", std::move(labels)},
                                        {"source", valid_utf8(notice.source)},
                                        {"link", notice.link},
                                        {"alerts", std::move(alerts)}});
}

std::string slack_payload(const AlertNotice& notice) {
    constexpr std::size_t text_max = 2900;  // a section takes 3000 characters
    json::array attachments;
    for (std::size_t i = 0; i < shown_count(notice); ++i) {
        const auto& alert = notice.alerts[i];
        const auto text = "*" + slack_escaped(alert_line(alert)) + "*\n" + slack_escaped(alert_evidence_text(alert));
        attachments.push_back(
            {{"color", hex_colour(colour_of(alert))},
             {"fallback", cut(alert_line(alert), text_max)},
             {"blocks",
              json::array{{{"type", "section"}, {"text", {{"type", "mrkdwn"}, {"text", cut(text, text_max)}}}}}}});
    }
    auto title = slack_escaped(notice_title(notice)) + " on " + slack_escaped(notice.source);
    if (const auto more = more_text(notice); !more.empty()) title += ", " + more;
    return json::serialize(json::object{{"text", cut(title, text_max)}, {"attachments", std::move(attachments)}});
}

std::string discord_payload(const AlertNotice& notice) {
    constexpr std::size_t content_max = 2000, title_max = 256, description_max = 4096, all_max = 5500;
    json::array embeds;
    std::size_t all = 0;
    for (std::size_t i = 0; i < shown_count(notice); ++i) {
        const auto& alert = notice.alerts[i];
        const auto title = cut(alert_line(alert), title_max);
        const auto room = all + title.size() < all_max ? all_max - all - title.size() : 0;
        if (room < title_max) break;  // 6000 characters over all embeds
        const auto text = cut(alert_evidence_text(alert), std::min(description_max, room));
        all += title.size() + text.size();
        json::object embed{{"title", title}, {"description", text}, {"color", colour_of(alert)}};
        const auto changed = alert.resolved_ns != 0 ? alert.resolved_ns : alert.fired_ns;
        if (changed != 0) embed["timestamp"] = alert_time_text(changed);
        if (alert.evidence && !alert.evidence->link.empty()) embed["url"] = alert.evidence->link;
        embeds.push_back(std::move(embed));
    }
    auto content = notice_title(notice) + " on " + notice.source;
    if (notice.alerts.size() > embeds.size())
        content += ", " + std::to_string(notice.alerts.size() - embeds.size()) + " not shown";
    return json::serialize(json::object{{"content", cut(content, content_max)},
                                        {"username", "sonde"},
                                        {"allowed_mentions", {{"parse", json::array{}}}},
                                        {"embeds", std::move(embeds)}});
}

std::string alertmanager_payload(const AlertNotice& notice, std::uint64_t now_ns) {
    json::array out;
    for (const auto& alert : notice.alerts) {
        json::object labels{{"alertname", alert.rule},
                            {"severity", to_string(alert.severity)},
                            {"instance", valid_utf8(notice.source)}};
        for (const auto& [name, value] : alert.labels) labels[name] = valid_utf8(value);
        json::object annotations{{"summary", valid_utf8(alert.summary)},
                                 {"evidence", valid_utf8(alert_evidence_text(alert))}};
        if (!alert.description.empty()) annotations["description"] = valid_utf8(alert.description);
        if (!alert.runbook.empty()) annotations["runbook_url"] = valid_utf8(alert.runbook);
        const auto ends =
            alert.state == AlertState::resolved ? alert.resolved_ns : now_ns + alertmanager_ends_s * ns_per_s;
        json::object made{{"labels", std::move(labels)},
                          {"annotations", std::move(annotations)},
                          {"startsAt", alert_time_text(alert.fired_ns)},
                          {"endsAt", alert_time_text(ends)}};
        if (alert.evidence && !alert.evidence->link.empty()) made["generatorURL"] = alert.evidence->link;
        out.push_back(std::move(made));
    }
    return json::serialize(out);
}

std::string pagerduty_payload(const AlertNotice& notice, const std::string& routing_key) {
    constexpr std::size_t summary_max = 1024;
    json::object event{{"routing_key", routing_key},
                       {"event_action", notice.firing() ? "trigger" : "resolve"},
                       {"dedup_key", "sonde/" + notice.source + "/" + notice.group}};
    json::array details;
    for (std::size_t i = 0; i < shown_count(notice); ++i)
        details.push_back({{"alert", cut(alert_line(notice.alerts[i]), summary_max)},
                           {"evidence", cut(alert_evidence_text(notice.alerts[i]), 4 * summary_max)}});
    const auto& first = notice.alerts.front();
    event["payload"] = {{"summary", cut(notice_title(notice), summary_max)},
                        {"source", valid_utf8(notice.source)},
                        {"severity", to_string(notice.severity())},
                        {"timestamp", alert_time_text(first.fired_ns)},
                        {"component", valid_utf8(alert_subject(first.labels))},
                        {"class", first.rule},
                        {"custom_details", {{"alerts", std::move(details)}}}};
    event["client"] = "sonde";
    if (!notice.link.empty()) {
        event["client_url"] = notice.link;
        event["links"] = json::array{{{"href", notice.link}, {"text", "console"}}};
    }
    return json::serialize(event);
}

}  // namespace sonde
