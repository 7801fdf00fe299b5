#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <memory>
#include <vector>

#include "agent/http/server.hpp"

namespace sonde {

// All that the sources collect, each family name once.
std::vector<prometheus::MetricFamily> collect_merged(
    const std::vector<std::shared_ptr<prometheus::Collectable>>& sources);

// Prometheus' text format (version 0.0.4) of everything that the sources collect. Families of one name are merged:
// the format allows each name once.
Handler metrics_handler(std::vector<std::shared_ptr<prometheus::Collectable>> sources);

}  // namespace sonde
