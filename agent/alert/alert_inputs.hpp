#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "agent/model/alert.hpp"

namespace sonde {

struct AlertSinkInput {
    std::string name;
    bool able = true;
    double fill = 0;  // of its queue, 0 … 1
};

struct AlertProbeInput {
    std::string target;
    std::uint32_t failures = 0;  // in a row
    double certificate_left_s = std::numeric_limits<double>::quiet_NaN();
};

// Something that happened to a service; service empty: to the agent.
struct AlertServiceChange {
    std::string service;
    AlertChange change;
};

// A label set and its value; not a number: not observed.
struct AlertReading {
    AlertLabels labels;
    double value = std::numeric_limits<double>::quiet_NaN();
};

// What one evaluation looks at besides transactions. Totals only grow over the agent's life.
struct AlertInputs {
    std::uint64_t now_s = 0;                                                 // CLOCK_MONOTONIC
    std::uint64_t now_ns = 0;                                                // CLOCK_REALTIME
    std::shared_ptr<const std::vector<prometheus::MetricFamily>> resources;  // null: none
    std::vector<prometheus::MetricFamily> more;                              // logs, WebSocket connections
    std::uint64_t records_lost = 0;
    double connections = std::numeric_limits<double>::quiet_NaN();
    std::vector<AlertSinkInput> sinks;
    bool config_refused = false;
    std::vector<AlertProbeInput> probes;
    std::vector<AlertServiceChange> changes;  // since the last evaluation
};

}  // namespace sonde
