#include "agent/command/agent_client.hpp"

namespace sonde {
namespace json = boost::json;

Result<json::object> ask_agent(const ClientOptions& agent, const std::string& target) {
    return tell_agent(agent, "GET", target);
}

Result<json::object> tell_agent(const ClientOptions& agent, const std::string& method, const std::string& target,
                                const std::string& body) {
    const auto response = http_send(agent, method, target, body);
    if (!response) return response.error();
    if (response->status == 403 || response->status == 405)
        return fail("the agent refuses: " + response->body.substr(0, response->body.find('\n')), {}, ErrorKind::usage);
    json::error_code error;
    auto value = json::parse(response->body, error);
    if (error || !value.is_object())
        return fail("what answers at " + agent.address + " is not a sonde agent of this version",
                    "name its address with --connect HOST:PORT");
    if (response->status == 400 || response->status == 404)
        return fail("the agent refuses: " + text_at(value.as_object(), "error"), {}, ErrorKind::usage);
    return std::move(value.as_object());
}

double number_at(const json::object& object, std::string_view key, double otherwise) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_number() ? value->to_number<double>() : otherwise;
}

std::string text_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string{};
}

const json::object* object_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr ? value->if_object() : nullptr;
}

const json::array& array_at(const json::object& object, std::string_view key) {
    static const json::array none;
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_array() ? value->as_array() : none;
}

}  // namespace sonde
