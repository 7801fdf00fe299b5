#pragma once

#include <functional>

#include "agent/alert/alert_service.hpp"
#include "agent/alert/health_prober.hpp"
#include "agent/http/server.hpp"

namespace sonde {

// What the handlers ask; null as long as it has not been made: they answer 503 then. Any thread.
struct AlertApiSources {
    std::function<AlertService*()> alerts;
    std::function<HealthProber*()> probes;
};

// Adds /api/v1/alerts to handlers, and to writes: POST /api/v1/silences and DELETE /api/v1/silences/{id}. docs/api.md
// says what each answers.
void add_alert_api(Handlers& handlers, Handlers& writes, AlertApiSources sources);

}  // namespace sonde
