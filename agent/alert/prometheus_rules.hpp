#pragma once

#include <string>
#include <vector>

#include "agent/alert/alert_rule.hpp"

namespace sonde {

// The rules as a file of Prometheus alerting rules (YAML), over the metrics at /metrics. What no metric says (restarts,
// limits of descriptors, a limit of WebSocket connections that is not given) is left out, with a comment that names it.
// Rates look back two minutes at least: a scrape every 30 s leaves them four samples.
std::string prometheus_rules(const std::vector<AlertRule>& rules);

}  // namespace sonde
