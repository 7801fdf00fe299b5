#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/api/health.hpp"
#include "agent/history/history.hpp"
#include "agent/history/log_store.hpp"
#include "agent/http/server.hpp"
#include "agent/model/loss.hpp"

namespace sonde {

struct ApiFeature {
    std::string name;
    bool enabled = false;
    std::string detail;   // how it is done, or why not
    std::string without;  // what is missing without it
};

// Where the answers come from. Each function is called on the server's threads, several at once, and must be safe
// there. What is null or empty has no path (404). All outlive the handlers.
struct ApiSources {
    std::string version;
    const History* history = nullptr;
    const LogStore* logs = nullptr;                                 // with a history
    std::vector<std::shared_ptr<prometheus::Collectable>> metrics;  // as /metrics
    std::shared_ptr<const prometheus::Collectable> resources;       // the part with process_*
    std::function<std::vector<ApiFeature>()> features;
    std::function<LossMatrix()> losses;
    std::function<HealthReport()> health;
    std::function<std::string()> config;  // a JSON object, secrets masked
};

// Adds /api/v1/… and /health/detailed; docs/api.md says what each answers. All answers are JSON and bounded; errors are
// {"error": "…"} with status 400 or 404.
void add_api(Handlers& handlers, const ApiSources& sources);

}  // namespace sonde
