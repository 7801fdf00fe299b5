#include "agent/alert/alert_api.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <cmath>

#include "agent/alert/alert_text.hpp"
#include "agent/api/answer.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

std::uint64_t real_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

json::value seconds_json(std::uint64_t time_ns) {
    return time_ns == 0 ? json::value() : json_number(static_cast<double>(time_ns / 1'000'000) / 1e3);
}

// As in the rest of the API times are seconds since 1970.
json::object shown(const AlertInfo& info) {
    auto out = alert_json(info);
    out["since"] = seconds_json(info.since_ns);
    out["fired"] = seconds_json(info.fired_ns);
    out["resolved"] = seconds_json(info.resolved_ns);
    return out;
}

json::object silence_json(const AlertSilence& silence, std::uint64_t now_ns) {
    json::object matchers;
    for (const auto& [name, value] : silence.matchers) matchers[valid_utf8(name)] = valid_utf8(value);
    return {{"id", silence.id},
            {"matchers", std::move(matchers)},
            {"reason", valid_utf8(silence.reason)},
            {"author", valid_utf8(silence.author)},
            {"starts", seconds_json(silence.starts_ns)},
            {"ends", seconds_json(silence.ends_ns)},
            {"active", silence.active(now_ns)}};
}

json::object rule_json(const AlertRule& rule) {
    const auto unit = unit_of(rule.signal, rule.effective_scope());
    return {{"name", rule.name},
            {"signal", traits_of(rule.signal).name},
            {"scope", to_string(rule.effective_scope())},
            {"comparison", rule.comparison == AlertComparison::above ? "above" : "below"},
            {"threshold", json_number(rule.threshold)},
            {"threshold_text", alert_value_text(unit, rule.threshold)},
            {"window_s", rule.window_s},
            {"for_s", rule.for_s},
            {"severity", to_string(rule.severity)}};
}

json::object probe_json(const HealthProbeState& state) {
    return {{"target", state.name},
            {"type", state.type},
            {"success", state.last.success},
            {"failures", state.failures},
            {"duration_ns", static_cast<std::uint64_t>(state.last.duration_s * 1e9)},
            {"status", state.last.http_status == 0 ? json::value() : json::value(state.last.http_status)},
            {"certificate_expiry", json_number(state.last.certificate_expiry_s)},
            {"time", seconds_json(state.at_ns)},
            {"message", valid_utf8(state.last.message)}};
}

Response starting() { return json_answer({{"error", "the agent is starting"}}, 503); }

Response alerts_answer(const AlertApiSources& sources, const Request& request) {
    Parameters parameters(request, {"limit"});
    const auto limit = parameters.number("limit", 500, 1, 2000);
    if (!parameters.error().empty()) return bad_request(parameters.error());
    const auto* service = sources.alerts();
    if (service == nullptr) return starting();
    const auto view = service->view();
    const auto now_ns = real_ns();
    json::array alerts, past, silences, rules, probes;
    for (const auto& [info, mute] : view->alerts) {
        if (alerts.size() >= limit) break;
        auto& alert = alerts.emplace_back(shown(info)).as_object();
        alert["mute"] = mute == AlertMute::none ? json::value() : json::value(to_string(mute));
    }
    for (const auto& info : view->past)
        if (past.size() < limit) past.push_back(shown(info));
    for (const auto& silence : view->silences) silences.push_back(silence_json(silence, now_ns));
    for (const auto& rule : service->rules()) rules.push_back(rule_json(rule));
    if (const auto* prober = sources.probes(); prober != nullptr)
        for (const auto& state : prober->states()) probes.push_back(probe_json(state));
    return json_answer({{"time", seconds_json(now_ns)},
                        {"total", view->alerts.size()},
                        {"alerts", std::move(alerts)},
                        {"past", std::move(past)},
                        {"silences", std::move(silences)},
                        {"rules", std::move(rules)},
                        {"probes", std::move(probes)}});
}

Response silences_write(const AlertApiSources& sources, const Request& request) {
    auto* service = sources.alerts();
    if (service == nullptr) return starting();
    if (request.method == "DELETE") {
        if (service->end_silence(request.tail)) return json_answer({{"ended", request.tail}});
        return json_answer({{"error", "there is no such silence, or it has ended"}}, 404);
    }
    if (!request.tail.empty()) return json_answer({{"error", "not found"}}, 404);
    auto silence = parse_alert_silence(request.body, real_ns());
    if (!silence) return bad_request(silence.error().message());
    const auto id = service->add_silence(std::move(*silence));
    if (!id) return bad_request(id.error().message());
    return json_answer({{"id", *id}}, 201);
}

}  // namespace

void add_alert_api(Handlers& handlers, Handlers& writes, AlertApiSources sources) {
    handlers["/api/v1/alerts"] = [sources](const Request& request) { return alerts_answer(sources, request); };
    const auto write = [sources](const Request& request) { return silences_write(sources, request); };
    writes["/api/v1/silences"] = write;
    writes["/api/v1/silences/"] = write;
}

}  // namespace sonde
