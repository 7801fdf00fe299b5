#pragma once

#include <string>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/config/section.hpp"

namespace sonde {

// What a section's check found wrong beyond single fields. place_of: the text (a key or a value) within the section
// whose line is named; empty, or not in the file: the section's own line.
struct SectionProblem {
    std::string place_of;
    std::string message;
};

// Called only when nothing is wrong with the section's fields; returns all it finds.
struct SectionCheck {
    std::string section;
    std::vector<SectionProblem> (*check)(const Config& config);
};

struct Schema {
    Fields fields;
    std::vector<SectionCheck> checks;
};

// All sections, in the order of the documentation. Made once; any thread.
const Schema& config_schema();

// One per file section_*.cpp.
void describe_agent(Section<Config>& config);  // profile, http, events, terminal
void describe_capture(Section<Config>& config);
void describe_traces(Section<Config>& config);
void describe_resources(Section<Config>& config);
void describe_discovery(Section<Config>& config);
void describe_routes(Section<Config>& config);
void describe_redaction(Section<Config>& config);
void describe_sampling(Section<Config>& config);
void describe_logs(Section<Config>& config);
void describe_sinks(Section<Config>& config);
void describe_alerts(Section<Config>& config);
void describe_health_probes(Section<Config>& config);
void describe_kubernetes(Section<Config>& config);
void describe_privileges(Section<Config>& config);

std::vector<SectionProblem> check_discovery(const Config& config);
std::vector<SectionProblem> check_redaction(const Config& config);
std::vector<SectionProblem> check_sampling(const Config& config);
std::vector<SectionProblem> check_sinks(const Config& config);
std::vector<SectionProblem> check_alerts(const Config& config);
std::vector<SectionProblem> check_health_probes(const Config& config);

}  // namespace sonde
