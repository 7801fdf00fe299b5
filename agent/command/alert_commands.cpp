// `sonde silence …` and `sonde alert …`.
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>

#include "agent/alert/notifier.hpp"
#include "agent/alert/prometheus_rules.hpp"
#include "agent/command/agent_client.hpp"
#include "agent/command/commands.hpp"
#include "agent/command/terminal.hpp"
#include "agent/command/terminal_text.hpp"
#include "agent/config/unit.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;

std::string user_name() {
    const auto* entry = ::getpwuid(::getuid());
    return entry != nullptr ? entry->pw_name : std::to_string(::getuid());
}

std::string pairs_text(const json::object* pairs) {
    std::string out;
    if (pairs != nullptr)
        for (const auto& [name, value] : *pairs)
            if (value.is_string())
                out += (out.empty() ? "" : " ") + std::string(name) + "=" + std::string(value.get_string());
    return out;
}

Result<json::object> matchers_of(const SilenceOptions& options) {
    json::object out;
    if (!options.rule.empty()) out["rule"] = options.rule;
    if (!options.severity.empty()) out["severity"] = options.severity;
    for (const auto& label : options.labels) {
        const auto equals = label.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail("'" + label + "' is not NAME=VALUE", "as in service=shop", ErrorKind::usage);
        out[label.substr(0, equals)] = label.substr(equals + 1);
    }
    if (out.empty()) return fail("it would silence everything", "give --rule, --severity or --label", ErrorKind::usage);
    return out;
}

// Words of strangers on a terminal: no control characters.
void print_line(const std::string& line) {
    std::string out;
    for (const char c : line) out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
    std::puts(out.c_str());
}

}  // namespace

int silence_add_command(const SilenceOptions& options) {
    auto matchers = matchers_of(options);
    if (!matchers) return report(matchers.error());
    const auto duration = parse_duration(options.duration);
    if (!duration || *duration < ns_per_s)
        return report(fail("'" + options.duration + "' is no duration", "write 30m, 2h or 1d", ErrorKind::usage));
    const json::object body{{"matchers", std::move(*matchers)},
                            {"reason", options.reason},
                            {"author", options.author.empty() ? user_name() : options.author},
                            {"duration_s", *duration / ns_per_s}};
    const auto answer = tell_agent(options.agent, "POST", "/api/v1/silences", json::serialize(body));
    if (!answer) return report(answer.error());
    print_line(text_at(*answer, "id"));
    return 0;
}

int silence_end_command(const SilenceOptions& options) {
    const auto answer = tell_agent(options.agent, "DELETE", "/api/v1/silences/" + url_encode(options.id));
    return answer ? 0 : report(answer.error());
}

int silence_list_command(const SilenceOptions& options) {
    const auto answer = ask_agent(options.agent, "/api/v1/alerts");
    if (!answer) return report(answer.error());
    for (const auto& entry : array_at(*answer, "silences")) {
        if (!entry.is_object()) continue;
        const auto& silence = entry.get_object();
        const auto left_s = number_at(silence, "ends") - number_at(*answer, "time");
        print_line(text_at(silence, "id") + "  " + pairs_text(object_at(silence, "matchers")) + "  " +
                   (left_s > 0 ? std::to_string(static_cast<long>(left_s)) + " s left" : "ended") + "  " +
                   text_at(silence, "reason") + " (" + text_at(silence, "author") + ")");
    }
    return 0;
}

int alert_list_command(const ClientOptions& agent) {
    const auto answer = ask_agent(agent, "/api/v1/alerts");
    if (!answer) return report(answer.error());
    for (const auto& entry : array_at(*answer, "alerts")) {
        if (!entry.is_object()) continue;
        const auto& alert = entry.get_object();
        const auto mute = text_at(alert, "mute");
        print_line(text_at(alert, "state") + "  " + text_at(alert, "severity") + "  " + text_at(alert, "rule") + "  " +
                   text_at(alert, "summary") + (mute.empty() ? "" : "  [" + mute + "]"));
    }
    return 0;
}

int alert_rules_command(const Config& config) {
    const auto rules = effective_alert_rules(config.alerts.rules, config.alerts.default_rules);
    std::fputs(prometheus_rules(rules).c_str(), stdout);
    return 0;
}

int alert_test_command(const Config& config, const std::string& notifier) {
    std::array<char, 256> machine{};
    ::gethostname(machine.data(), machine.size() - 1);
    const auto now_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
    AlertNotice notice;
    notice.group = "test";
    notice.source = machine.data();
    notice.link =
        config.alerts.console_url.empty() ? config.http.tls.scheme() + config.listen : config.alerts.console_url;
    AlertInfo& alert = notice.alerts.emplace_back();
    alert.fingerprint = "test";
    alert.rule = "sonde_test";
    alert.severity = AlertSeverity::info;
    alert.signal = "test";
    alert.summary = "this is a test of sonde's notifiers: nothing is wrong";
    alert.since_ns = alert.fired_ns = now_ns;
    std::size_t sent = 0, failed = 0;
    for (const auto& options : config.alerts.notifiers) {
        if (!notifier.empty() && options.name != notifier) continue;
        const auto result = Notifier::send_once(options, notice, now_ns);
        const bool good = result.outcome == SendResult::Outcome::delivered;
        ++(good ? sent : failed);
        print_line(options.name + ": " + (good ? "delivered" : "failed: " + result.error));
    }
    if (sent + failed == 0)
        return report(fail(notifier.empty() ? "no notifier is configured" : "no notifier is called " + notifier,
                           "see alerts.notifiers in docs/configuration.md", ErrorKind::usage));
    return failed == 0 ? 0 : 1;
}

}  // namespace sonde
