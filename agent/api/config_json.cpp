#include "agent/api/config_json.hpp"

#include "agent/api/answer.hpp"

namespace sonde {
namespace json = boost::json;

std::string config_json(const Config& config) {
    json::array processes;
    for (const auto& name : config.processes) processes.push_back(json::value(valid_utf8(name)));
    return json::serialize(json::object{
        {"listen", config.listen},
        {"token", config.http.token.empty() ? json::value(nullptr) : json::value("***")},
        {"allow_anonymous", config.http.allow_anonymous},
        {"events_directory", valid_utf8(config.events_directory)},
        {"capture_bytes", config.capture_bytes},
        {"ring_kib", config.ring_kib},
        {"resource_interval_s", config.resource_interval_s},
        {"processes", std::move(processes)},
    });
}

}  // namespace sonde
