#pragma once

#include "agent/api/api.hpp"

namespace sonde {

// /api/v1/{processes,features,metrics,losses,health,config} and /health/detailed.
void add_machine_api(Handlers& handlers, const ApiSources& sources);

}  // namespace sonde
