#pragma once

#include <string>
#include <vector>

#include "agent/metric/self_metrics.hpp"
#include "sinks/delivery.hpp"

namespace sonde {

// sonde_queue_* and sonde_sink_* of one delivery. Any thread.
void append_delivery_samples(std::vector<Sample>& out, const Delivery& delivery);

// For the agent's last line: ", 12 not written (sink file: queue full)", one such part per reason; empty when all was
// written. After stop().
std::string unwritten_text(const Delivery& delivery);

}  // namespace sonde
