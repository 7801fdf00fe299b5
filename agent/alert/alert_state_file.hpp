#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/alert/alert_dispatcher.hpp"
#include "agent/base/result.hpp"

namespace sonde {

// What outlives the agent: alerts that fire or were not told to be over, who was told what, silences, and what is over.
struct AlertStored {
    std::vector<AlertInfo> alerts;
    std::vector<AlertInfo> past;  // resolved and told, newest first
    AlertTellings tellings;
    std::vector<AlertSilence> silences;
};

// JSON. Evidence is not stored: it speaks of windows that are gone.
std::string write_alert_state(const AlertStored& state);
// Any bytes. Errors: they are not what write_alert_state() makes.
Result<AlertStored> read_alert_state(std::string_view text);

// The file is whole at any time: written beside, synced, renamed over the old one. Missing: an empty state.
Status save_alert_state(const std::string& path, const AlertStored& state);
Result<AlertStored> load_alert_state(const std::string& path);

}  // namespace sonde
