#include "agent/alert/alert_text.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "agent/alert/alert_evidence.hpp"
#include "agent/alert/alert_rule.hpp"
#include "agent/api/answer.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000, ns_per_ms = 1'000'000;

json::value time_json(std::uint64_t time_ns) {
    return time_ns == 0 ? json::value() : json::value(alert_time_text(time_ns));
}

json::value ms_json(double ms) { return ms < 0 ? json::value() : json_number(ms); }

json::object figures_json(const AlertFigures& figures) {
    json::object phases;
    for (std::size_t phase = 0; phase < phase_count; ++phase)
        phases[phase_names[phase]] = ms_json(figures.phase_ms[phase]);
    return {{"covered_s", json_number(figures.covered_s)},
            {"count", figures.count},
            {"rate_per_s", json_number(figures.rate_per_s)},
            {"error_share", json_number(figures.error_share)},
            {"mean_ms", ms_json(figures.mean_ms)},
            {"p50_ms", ms_json(figures.p50_ms)},
            {"p95_ms", ms_json(figures.p95_ms)},
            {"p99_ms", ms_json(figures.p99_ms)},
            {"phases_ms", std::move(phases)}};
}

std::string percent(double share) { return alert_value_text(AlertUnit::share, share); }

std::string figures_text(const AlertFigures& now, const AlertFigures& before) {
    std::string out = std::to_string(now.count) + " requests, " +
                      alert_value_text(AlertUnit::per_second, now.rate_per_s) + ", " + percent(now.error_share) +
                      " errors, p95 " + alert_ms_text(now.p95_ms);
    if (before.covered_s > 0)
        out += "; in the hour before: " + alert_value_text(AlertUnit::per_second, before.rate_per_s) + ", " +
               percent(before.error_share) + " errors, p95 " + alert_ms_text(before.p95_ms);
    return out;
}

}  // namespace

std::string alert_time_text(std::uint64_t time_ns) {
    if (time_ns == 0) return {};
    const auto seconds = time_ns / ns_per_s;
    constexpr std::uint64_t day_s = 86'400;
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{static_cast<int>(seconds / day_s)}}};
    const auto of_day = static_cast<unsigned>(seconds % day_s);
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), of_day / 3600,
                  of_day / 60 % 60, of_day % 60, static_cast<unsigned>(time_ns % ns_per_s / ns_per_ms));
    return text.data();
}

std::string alert_subject(const AlertLabels& labels) {
    std::string method, route, service, rest;
    for (const auto& [name, value] : labels) {
        if (name == "method")
            method = value;
        else if (name == "route")
            route = value;
        else if (name == "service")
            service = value;
        else if (name != "port")
            rest += (rest.empty() ? "" : ", ") + name + " " + value;
    }
    std::string out = method.empty() ? route : method + " " + route;
    if (!service.empty()) out += out.empty() ? service : " (" + service + ")";
    if (!rest.empty()) out += (out.empty() ? "" : ", ") + rest;
    return out.empty() ? "this machine" : out;
}

std::string alert_ms_text(double ms) {
    if (ms < 0) return "not observed";
    return alert_value_text(AlertUnit::seconds, ms / 1000);
}

json::object alert_evidence_json(const AlertEvidence& evidence) {
    json::object out;
    if (evidence.has_figures) {
        out["now"] = figures_json(evidence.now);
        out["hour_before"] = evidence.before.covered_s > 0 ? json::value(figures_json(evidence.before)) : json::value();
        out["moved_phase"] = evidence.moved_phase.empty() ? json::value()
                                                          : json::value{{"phase", evidence.moved_phase},
                                                                        {"by_ms", json_number(evidence.moved_ms)}};
        out["held_by"] = evidence.holder_route.empty() ? json::value()
                                                       : json::value{{"route", evidence.holder_route},
                                                                     {"share", json_number(evidence.holder_share)}};
        out["blocked_on"] = evidence.blocked_on.empty() ? json::value() : json::value(evidence.blocked_on);
    }
    json::array worst, changes;
    for (const auto& witness : evidence.worst) {
        boost::system::error_code error;
        auto line = json::parse(witness.line, error);
        if (!error) worst.push_back({{"id", witness.number}, {"transaction", std::move(line)}});
    }
    for (const auto& change : evidence.changes)
        changes.push_back(
            {{"time", time_json(change.time_ns)}, {"kind", change.kind}, {"what", valid_utf8(change.what)}});
    out["worst"] = std::move(worst);
    out["changes"] = std::move(changes);
    out["error_message"] = evidence.error_template.empty()
                               ? json::value()
                               : json::value{{"text", evidence.error_template}, {"count", evidence.error_count}};
    out["link"] = evidence.link;
    return out;
}

json::object alert_json(const AlertInfo& alert) {
    json::object labels;
    for (const auto& [name, value] : alert.labels) labels[name] = valid_utf8(value);
    json::object out{{"fingerprint", alert.fingerprint},
                     {"rule", alert.rule},
                     {"severity", to_string(alert.severity)},
                     {"state", to_string(alert.state)},
                     {"labels", std::move(labels)},
                     {"subject", valid_utf8(alert_subject(alert.labels))},
                     {"signal", alert.signal},
                     {"value", json_number(alert.value)},
                     {"value_text", alert.value_text},
                     {"threshold", json_number(alert.threshold)},
                     {"threshold_text", alert.threshold_text},
                     {"since", time_json(alert.since_ns)},
                     {"fired", time_json(alert.fired_ns)},
                     {"resolved", time_json(alert.resolved_ns)},
                     {"summary", valid_utf8(alert.summary)}};
    if (!alert.description.empty()) out["description"] = valid_utf8(alert.description);
    if (!alert.runbook.empty()) out["runbook"] = valid_utf8(alert.runbook);
    out["evidence"] = alert.evidence ? json::value(alert_evidence_json(*alert.evidence)) : json::value();
    return out;
}

std::string alert_event_line(const AlertInfo& alert, std::uint64_t time_ns) {
    json::object line{{"type", "alert"}, {"time", alert_time_text(time_ns)}};
    for (auto& [name, value] : alert_json(alert)) line[name] = std::move(value);
    return json::serialize(line);
}

std::string alert_evidence_text(const AlertInfo& alert) {
    std::string out;
    const auto add = [&](const std::string& line) { out += (out.empty() ? "" : "\n") + line; };
    add(alert.signal + " " + alert.value_text + ", threshold " + alert.threshold_text + ", since " +
        alert_time_text(alert.since_ns));
    if (!alert.description.empty()) add(alert.description);
    if (!alert.evidence) return out;
    const auto& evidence = *alert.evidence;
    if (evidence.has_figures) add(figures_text(evidence.now, evidence.before));
    if (!evidence.moved_phase.empty())
        add("what grew: " + evidence.moved_phase + ", by " + alert_ms_text(evidence.moved_ms));
    if (!evidence.holder_route.empty())
        add("the thread was held by " + evidence.holder_route + " for " + percent(evidence.holder_share) +
            " of the time that requests queued");
    if (!evidence.blocked_on.empty()) add("blocked on calls to " + evidence.blocked_on);
    if (!evidence.error_template.empty())
        add("error: " + evidence.error_template + " (" + std::to_string(evidence.error_count) + " times)");
    for (const auto& change : evidence.changes)
        add("changed at " + alert_time_text(change.time_ns) + ": " + change.what);
    if (!evidence.link.empty()) add(evidence.link);
    return out;
}

}  // namespace sonde
