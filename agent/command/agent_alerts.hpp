#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/alert/alert_service.hpp"
#include "agent/alert/health_prober.hpp"
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
    const HealthProber* probes = nullptr;                         // null: there are none
    std::function<std::vector<prometheus::MetricFamily>()> more;  // logs, WebSocket connections
};

// Loopback addresses of what services listen on in the agent's own network namespace: "shop:8080" → 127.0.0.1:8080.
std::map<std::string, std::string> watched_listeners(const ResourceCollector& resources);

// address: of the API, HOST:PORT.
Result<std::unique_ptr<AlertService>> make_alert_service(const Config& config, const std::string& address,
                                                         AgentAlertSources sources);

}  // namespace sonde
