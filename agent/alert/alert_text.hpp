#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>

#include "agent/model/alert.hpp"

namespace sonde {

// RFC 3339 in UTC with milliseconds; 0: empty.
std::string alert_time_text(std::uint64_t time_ns);
// "GET /x (shop)" out of the labels; without labels: "this machine".
std::string alert_subject(const AlertLabels& labels);
// "412 ms", "2.1 s".
std::string alert_ms_text(double ms);

// The alert as the API, the webhook and the events file show it.
boost::json::object alert_json(const AlertInfo& alert);
boost::json::object alert_evidence_json(const AlertEvidence& evidence);
// {"type":"alert","time":…,"state":…,…}, one line.
std::string alert_event_line(const AlertInfo& alert, std::uint64_t time_ns);

}  // namespace sonde
