#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/correlate/log_join.hpp"
#include "agent/history/history.hpp"
#include "agent/log/tailed_file.hpp"
#include "agent/metric/self_metrics.hpp"
#include "agent/pipeline/parent_links.hpp"
#include "agent/pipeline/tracker_stats.hpp"
#include "agent/redact/record_redactor.hpp"
#include "agent/sample/sampler.hpp"
#include "agent/wait/wait_sampler.hpp"

// What the agent's parts say of themselves, as samples for /metrics. Any thread.
namespace sonde {

Sample counter_sample(const char* name, const char* help, std::uint64_t value,
                      std::vector<std::pair<std::string, std::string>> labels = {});
Sample gauge_sample(const char* name, const char* help, std::uint64_t value,
                    std::vector<std::pair<std::string, std::string>> labels = {});

void add_tracker(std::vector<Sample>& out, const TrackerStats& stats);
void add_http2(std::vector<Sample>& out, const Http2Stats& stats);
void add_waits(std::vector<Sample>& out, const WaitStats& stats);
void add_links(std::vector<Sample>& out, const ParentLinkStats& stats);
void add_redaction(std::vector<Sample>& out, const RecordRedactor& redactor);
void add_sampling(std::vector<Sample>& out, const Sampler& sampler);
void add_log_join(std::vector<Sample>& out, const LogJoin& logs);
void add_tail(std::vector<Sample>& out, const TailStats& stats);
void add_history(std::vector<Sample>& out, const HistoryStats& stats);

}  // namespace sonde
