#pragma once

#include <cstdint>

namespace sonde {

// Which records a sink is offered. nothing: it takes snapshots of metrics.
enum class Carries : std::uint8_t { everything, all_but_logs, logs, nothing };

}  // namespace sonde
