#include "agent/command/agent_checks.hpp"

#include "agent/command/agent_client.hpp"
#include "agent/command/machine_checks.hpp"
#include "agent/command/terminal_text.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

const char* todo_of(const std::string& component) {
    if (component == "ring") return "see /api/v1/losses; start sonde with a larger ring (--ring-kib)";
    if (component == "pipeline") return "restart the agent, and report what it did before";
    if (component.starts_with("queue/")) return "the sink is too slow for what comes in: make it faster, or sample";
    if (component.starts_with("sink/")) return "see the agent's messages, and whether its destination is reachable";
    return "see the agent's messages";
}

void add_health(const json::object& health, std::vector<Check>& out) {
    for (const auto& value : array_at(health, "components")) {
        const auto* component = value.if_object();
        if (component == nullptr) continue;
        const auto state = text_at(*component, "state"), name = text_at(*component, "name");
        const bool ok = state == "ok";
        out.push_back({printable(name),
                       ok                  ? CheckState::ok
                       : state == "failed" ? CheckState::problem
                                           : CheckState::warn,
                       printable(text_at(*component, "reason")), ok ? "" : todo_of(name)});
    }
}

void add_features(const json::object& features, std::vector<Check>& out) {
    for (const auto& value : array_at(features, "features")) {
        const auto* feature = value.if_object();
        if (feature == nullptr) continue;
        const auto* enabled = feature->if_contains("enabled");
        const bool on = enabled != nullptr && *enabled == true;
        const auto detail = printable(text_at(*feature, "detail"));
        out.push_back({printable(text_at(*feature, "name")),
                       on ? CheckState::ok : CheckState::missing,
                       on ? detail : detail + "; missing: " + printable(text_at(*feature, "without")),
                       {}});
    }
}

}  // namespace

bool agent_answers(const ClientOptions& agent) {
    const auto response = http_get(agent, "/healthz");
    return response && response->status == 200 && response->body == "alive\n";
}

std::vector<Check> check_agent(const ClientOptions& agent) {
    std::vector<Check> out;
    const auto features = ask_agent(agent, "/api/v1/features");
    if (!features) {
        out.push_back({"agent", CheckState::problem, features.error().what, features.error().hint});
        return out;
    }
    out.push_back({"agent",
                   CheckState::ok,
                   "version " + printable(text_at(*features, "version")) + " answers at " + agent.address,
                   {}});
    add_features(*features, out);
    if (const auto health = ask_agent(agent, "/health/detailed"))
        add_health(*health, out);
    else
        out.push_back({"health", CheckState::problem, health.error().what, health.error().hint});
    if (const auto config = ask_agent(agent, "/api/v1/config"))
        if (const auto directory = text_at(*config, "events_directory"); !directory.empty())
            out.push_back(check_events_directory(directory));
    return out;
}

}  // namespace sonde
