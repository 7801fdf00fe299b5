#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/alert/alert_service.hpp"
#include "agent/command/config_reloader.hpp"
#include "agent/config/config.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "agent/resource/collector.hpp"

namespace sonde {

// Where the alerts' inputs come from; each is called on the alert thread and must be safe there.
struct AgentAlertSources {
    const History* history = nullptr;
    ServiceWatch* watch = nullptr;
    std::shared_ptr<const ResourceCollector> resources;
    std::function<std::uint64_t()> records_lost;
    std::function<double()> connections;
    std::function<std::vector<const Delivery*>()> deliveries;
    std::function<ConfigReloader::State()> reloads;
    std::function<std::vector<prometheus::MetricFamily>()> more;  // logs, WebSocket connections
};

// address: of the API, HOST:PORT.
Result<std::unique_ptr<AlertService>> make_alert_service(const Config& config, const std::string& address,
                                                         AgentAlertSources sources);

}  // namespace sonde
