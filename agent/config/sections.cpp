#include "agent/config/sections.hpp"

namespace sonde {

const Schema& config_schema() {
    static const Schema schema = [] {
        Schema made;
        Section<Config> config(made.fields);
        for (const auto describe :
             {describe_agent, describe_capture, describe_traces, describe_resources, describe_discovery,
              describe_routes, describe_redaction, describe_sampling, describe_logs, describe_sinks, describe_alerts,
              describe_health_probes, describe_kubernetes, describe_privileges})
            describe(config);
        made.checks = {{"discovery", check_discovery}, {"redaction", check_redaction},
                       {"sampling", check_sampling},   {"sinks", check_sinks},
                       {"alerts", check_alerts},       {"health_probes", check_health_probes}};
        return made;
    }();
    return schema;
}

}  // namespace sonde
