#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/http/server.hpp"
#include "agent/metric/open_metrics.hpp"

namespace sonde {

// All that the sources collect, each family name once. prefixes: only families whose name begins with one of them;
// none: all. Sources that tell that they have no such family are not asked to collect.
std::vector<prometheus::MetricFamily> collect_merged(
    const std::vector<std::shared_ptr<prometheus::Collectable>>& sources,
    const std::vector<std::string_view>& prefixes = {});

// Everything that the sources collect, in OpenMetrics 1.0 with exemplars for who accepts it, else in Prometheus' text
// format (version 0.0.4). Families of one name are merged: the formats allow each name once.
Handler metrics_handler(std::vector<std::shared_ptr<prometheus::Collectable>> sources,
                        std::function<ExemplarsBySeries()> exemplars);

}  // namespace sonde
