#pragma once

#include <vector>

#include "agent/command/check.hpp"
#include "agent/http/client.hpp"

namespace sonde {

// Is it a sonde agent that answers there?
bool agent_answers(const ClientOptions& agent);

// What a running agent says of itself: features, health of each component, losses, where events go.
std::vector<Check> check_agent(const ClientOptions& agent);

}  // namespace sonde
