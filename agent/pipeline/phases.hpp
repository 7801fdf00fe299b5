#pragma once

#include "agent/pipeline/connection.hpp"

namespace sonde {

// Fills in the phases of a request that is about to be delivered. last_ns: CLOCK_MONOTONIC of the last response byte
// that was seen. What was not observed stays unobserved_ns.
void set_phases(Side side, std::uint64_t last_ns, PendingRequest& request);

}  // namespace sonde
