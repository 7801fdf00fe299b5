#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <memory>
#include <vector>

#include "agent/http/server.hpp"

namespace sonde {

// Answers with all that the sources collect, in Prometheus' text format 0.0.4.
std::function<Response()> metrics_handler(std::vector<std::shared_ptr<const prometheus::Collectable>> sources);

}  // namespace sonde
