#pragma once

#include "agent/history/history.hpp"
#include "agent/http/server.hpp"

namespace sonde {

// /api/v1/endpoints: all endpoints over the last seconds, beside their own past hour.
Response endpoints_answer(const History& history, const Request& request);
// /api/v1/endpoint: those that the parameters pick, summed, over time, with the heat map's buckets.
Response endpoint_answer(const History& history, const Request& request);

}  // namespace sonde
