#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <memory>
#include <vector>

#include "agent/http/server.hpp"
#include "agent/metric/open_metrics.hpp"

namespace sonde {

// All that the sources collect, each family name once.
std::vector<prometheus::MetricFamily> collect_merged(
    const std::vector<std::shared_ptr<prometheus::Collectable>>& sources);

// Everything that the sources collect, in OpenMetrics 1.0 with exemplars for who accepts it, else in Prometheus' text
// format (version 0.0.4). Families of one name are merged: the formats allow each name once.
Handler metrics_handler(std::vector<std::shared_ptr<prometheus::Collectable>> sources,
                        std::function<ExemplarsBySeries()> exemplars);

}  // namespace sonde
