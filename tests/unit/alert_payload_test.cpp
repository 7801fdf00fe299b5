// What notifiers send, against the published formats; and what becomes of it.
#include "agent/alert/alert_payload.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/alert/alert_evidence.hpp"
#include "agent/alert/alert_text.hpp"

namespace sonde {
namespace {

namespace json = boost::json;
constexpr std::uint64_t now_ns = 1'700'000'000'123'000'000;

AlertInfo one_alert(AlertState state = AlertState::firing) {
    AlertInfo alert;
    alert.fingerprint = "0123456789abcdef";
    alert.rule = "http_5xx";
    alert.severity = AlertSeverity::critical;
    alert.state = state;
    alert.labels = {{"method", "GET"}, {"route", "/orders/{id}"}, {"service", "shop"}};
    alert.signal = "status_share";
    alert.value = 0.25;
    alert.threshold = 0.1;
    alert.value_text = "25%";
    alert.threshold_text = "10%";
    alert.since_ns = now_ns - 60'000'000'000;
    alert.fired_ns = now_ns;
    if (state == AlertState::resolved) alert.resolved_ns = now_ns + 1'000'000'000;
    alert.summary = "25% of <shop> & co. are 5xx";
    auto evidence = std::make_shared<AlertEvidence>();
    evidence->has_figures = true;
    evidence->now = {.covered_s = 60,
                     .count = 600,
                     .rate_per_s = 10,
                     .error_share = 0.25,
                     .mean_ms = 30,
                     .p50_ms = 20,
                     .p95_ms = 412,
                     .p99_ms = 900};
    evidence->before = {.covered_s = 3600,
                        .count = 36'000,
                        .rate_per_s = 10,
                        .error_share = 0.001,
                        .mean_ms = 3,
                        .p50_ms = 2,
                        .p95_ms = 5,
                        .p99_ms = 9};
    evidence->moved_phase = "queue";
    evidence->moved_ms = 27;
    evidence->holder_route = "/sleep";
    evidence->holder_share = 0.97;
    evidence->worst = {{7, R"({"type":"transaction","status":503})"}};
    evidence->changes = {{now_ns - 120'000'000'000, "deployment", "shop runs from another file at /usr/bin/shop"}};
    evidence->link = "http://127.0.0.1:9745/#/endpoint?service=shop";
    alert.evidence = evidence;
    return alert;
}

AlertNotice notice_of(std::size_t alerts, AlertState state = AlertState::firing) {
    AlertNotice notice;
    notice.group = "aabbccddeeff0011";
    notice.group_labels = {{"service", "shop"}};
    notice.source = "node-1";
    notice.link = "http://127.0.0.1:9745/#/alerts";
    notice.alerts.assign(alerts, one_alert(state));
    return notice;
}

json::object parsed(const std::string& text) { return json::parse(text).as_object(); }

// A notice of strangers' words as bad and as long as they get.
AlertNotice hostile() {
    auto notice = notice_of(40);
    for (auto& alert : notice.alerts) {
        alert.summary = "\xff\xfe<!channel> @everyone \"\\\n" + std::string(20'000, 'x') + "\xe2\x82";
        alert.labels = {{"route", "\x80\x80"}, {"service", std::string(3000, '\xc3')}};
    }
    return notice;
}

TEST(AlertPayload, EvidenceInWords) {
    const auto text = alert_evidence_text(one_alert());
    for (const auto* part : {"status_share 25%, threshold 10%, since 2023-11-14T22:12:20.123Z",
                             "600 requests, 10/s, 25% errors, p95 412 ms",
                             "in the hour before: 10/s, 0.1% errors, p95 5 ms", "what grew: queue, by 27 ms",
                             "the thread was held by /sleep for 97%", "another file at /usr/bin/shop", "#/endpoint?"})
        EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(AlertPayload, Webhook) {
    const auto body = parsed(webhook_payload(notice_of(2)));
    EXPECT_EQ(body.at("status"), "firing");
    EXPECT_EQ(body.at("severity"), "critical");
    const auto& alert = body.at("alerts").at(0).as_object();
    EXPECT_EQ(alert.at("labels").at("route"), "/orders/{id}");
    EXPECT_EQ(alert.at("since"), "2023-11-14T22:12:20.123Z");
    EXPECT_TRUE(alert.at("resolved").is_null());
    const auto& evidence = alert.at("evidence").as_object();
    EXPECT_EQ(evidence.at("held_by").at("route"), "/sleep");
    EXPECT_EQ(evidence.at("moved_phase").at("phase"), "queue");
    EXPECT_EQ(evidence.at("worst").at(0).at("transaction").at("status").to_number<int>(), 503);
    EXPECT_EQ(parsed(webhook_payload(notice_of(1, AlertState::resolved))).at("status"), "resolved");
}

// https://api.slack.com/reference/messaging/payload, …/block-kit/blocks#section, …/surfaces/formatting#escaping
TEST(AlertPayload, Slack) {
    const auto body = parsed(slack_payload(notice_of(1)));
    EXPECT_EQ(body.at("text"), "[firing] critical: 25% of &lt;shop&gt; &amp; co. are 5xx on node-1");
    const auto& attachment = body.at("attachments").at(0).as_object();
    EXPECT_EQ(attachment.at("color"), "#C62828");
    const auto& block = attachment.at("blocks").at(0).as_object();
    EXPECT_EQ(block.at("type"), "section");
    EXPECT_EQ(block.at("text").at("type"), "mrkdwn");
    const auto rough = parsed(slack_payload(hostile()));
    EXPECT_LE(rough.at("attachments").as_array().size(), 20U);
    for (const auto& each : rough.at("attachments").as_array()) {
        const auto& text = each.at("blocks").at(0).at("text").at("text").as_string();
        EXPECT_LE(text.size(), 3000U);
        EXPECT_EQ(std::string_view(text).find("<!channel>"), std::string_view::npos);
    }
}

// https://discord.com/developers/docs/resources/webhook#execute-webhook, …/channel#embed-object-embed-limits
TEST(AlertPayload, Discord) {
    const auto body = parsed(discord_payload(notice_of(1)));
    const auto& embed = body.at("embeds").at(0).as_object();
    EXPECT_EQ(embed.at("color").to_number<int>(), 0xC62828);
    EXPECT_EQ(embed.at("timestamp"), "2023-11-14T22:13:20.123Z");
    EXPECT_TRUE(body.at("allowed_mentions").at("parse").as_array().empty());
    const auto rough = parsed(discord_payload(hostile()));
    EXPECT_LE(rough.at("content").as_string().size(), 2000U);
    EXPECT_LE(rough.at("embeds").as_array().size(), 10U);
    std::size_t all = 0;
    for (const auto& each : rough.at("embeds").as_array()) {
        EXPECT_LE(each.at("title").as_string().size(), 256U);
        EXPECT_LE(each.at("description").as_string().size(), 4096U);
        all += each.at("title").as_string().size() + each.at("description").as_string().size();
    }
    EXPECT_LE(all, 6000U);
}

// https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
TEST(AlertPayload, PagerDuty) {
    const auto body = parsed(pagerduty_payload(notice_of(2), "0123"));
    EXPECT_EQ(body.at("routing_key"), "0123");
    EXPECT_EQ(body.at("event_action"), "trigger");
    EXPECT_LE(body.at("dedup_key").as_string().size(), 255U);
    EXPECT_EQ(body.at("payload").at("severity"), "critical");
    EXPECT_EQ(body.at("payload").at("source"), "node-1");
    EXPECT_EQ(body.at("payload").at("class"), "http_5xx");
    EXPECT_EQ(body.at("links").at(0).at("href"), "http://127.0.0.1:9745/#/alerts");
    const auto over = parsed(pagerduty_payload(notice_of(2, AlertState::resolved), "0123"));
    EXPECT_EQ(over.at("event_action"), "resolve");
    EXPECT_EQ(over.at("dedup_key"), body.at("dedup_key"));
    EXPECT_LE(parsed(pagerduty_payload(hostile(), "0123")).at("payload").at("summary").as_string().size(), 1024U);
}

// api/v2/openapi.yaml of prometheus/alertmanager: postableAlerts
TEST(AlertPayload, Alertmanager) {
    const auto firing = json::parse(alertmanager_payload(notice_of(1), now_ns)).as_array();
    const auto& alert = firing.at(0).as_object();
    EXPECT_EQ(alert.at("labels").at("alertname"), "http_5xx");
    EXPECT_EQ(alert.at("labels").at("severity"), "critical");
    EXPECT_EQ(alert.at("startsAt"), "2023-11-14T22:13:20.123Z");
    EXPECT_EQ(alert.at("endsAt"), "2023-11-14T22:17:20.123Z");  // unless it is told again
    EXPECT_EQ(alert.at("generatorURL"), "http://127.0.0.1:9745/#/endpoint?service=shop");
    const auto over = json::parse(alertmanager_payload(notice_of(1, AlertState::resolved), now_ns)).as_array();
    EXPECT_EQ(over.at(0).at("endsAt"), "2023-11-14T22:13:21.123Z");
    EXPECT_NO_THROW(json::parse(alertmanager_payload(hostile(), now_ns)));
}

TEST(AlertPayload, EMail) {
    EmailOptions email;
    email.from = "sonde@example.org";
    email.to = {"a@example.org", "b@example.org"};
    for (const auto& notice : {notice_of(1), hostile()}) {
        const auto message = email_message(notice, email, now_ns);
        const auto body = message.find("\r\n\r\n");
        ASSERT_NE(body, std::string::npos);
        EXPECT_TRUE(message.starts_with("Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: <sonde@example.org>\r\n"));
        EXPECT_NE(message.find("To: <a@example.org>, <b@example.org>\r\nSubject: =?UTF-8?B?"), std::string::npos);
        for (std::size_t at = 0; at < message.size();) {
            const auto end = message.find("\r\n", at);
            ASSERT_NE(end, std::string::npos);
            EXPECT_LE(end - at, 998U);  // RFC 5322 §2.1.1
            EXPECT_EQ(message.substr(at, end - at).find('\n'), std::string::npos);
            at = end + 2;
        }
        EXPECT_TRUE(std::all_of(message.begin(), message.end(), [](unsigned char c) { return c < 0x80; }));
    }
}

TEST(AlertPayload, HostileWordsStayJson) {
    EXPECT_NO_THROW(json::parse(webhook_payload(hostile())));
    EXPECT_NO_THROW(json::parse(alert_event_line(hostile().alerts.front(), now_ns)));
}

TEST(AlertPayload, EventLine) {
    const auto line = parsed(alert_event_line(one_alert(), now_ns));
    EXPECT_EQ(line.at("type"), "alert");
    EXPECT_EQ(line.at("time"), "2023-11-14T22:13:20.123Z");
    EXPECT_EQ(line.at("state"), "firing");
}

WaitingLine line(std::uint32_t tid, std::string_view route, std::uint64_t begin, std::uint64_t read, std::uint64_t end,
                 bool server = true) {
    WaitingLine out;
    out.pid = 1;
    out.tid = tid;
    out.route = route;
    out.begin_ns = begin;
    out.read_ns = read;
    out.end_ns = end;
    out.server = server;
    return out;
}

TEST(AlertEvidence, NamesWhoHeldTheThread) {
    // /x waits 30 of 32 while /sleep is served on its thread; another thread's request is no matter
    const std::vector<WaitingLine> waiting{line(5, "/x", 100, 132, 133)};
    const std::vector<WaitingLine> others{line(5, "/sleep", 99, 100, 130), line(6, "/other", 100, 100, 132),
                                          waiting[0]};
    const auto holder = find_thread_holder(waiting, others);
    EXPECT_EQ(holder.name, "/sleep");
    EXPECT_NEAR(holder.share, 30.0 / 32, 1e-9);
    EXPECT_EQ(find_thread_holder(waiting, {}).name, "");
}

TEST(AlertEvidence, NamesWhatItWaitedFor) {
    const std::vector<WaitingLine> waiting{line(5, "/x", 100, 101, 201)};
    const auto call = find_blocking_call(waiting, {line(5, "/db", 110, 110, 200, false), line(5, "/y", 100, 100, 200)});
    EXPECT_EQ(call.name, "/db");
    EXPECT_NEAR(call.share, 0.9, 1e-9);
}

}  // namespace
}  // namespace sonde
