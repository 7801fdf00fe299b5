#include "agent/api/config_json.hpp"

#include "agent/api/answer.hpp"
#include "agent/config/show.hpp"

namespace sonde {
namespace json = boost::json;

std::string config_json(const Config& config) {
    return json::serialize(json::object{{"events_directory", valid_utf8(config.events_directory)},
                                        {"yaml", valid_utf8(show_config(config))}});
}

}  // namespace sonde
