#pragma once

#include <boost/json.hpp>
#include <string_view>

#include "agent/history/feed.hpp"

namespace sonde {

// "service", "method", "route", "side", "port": what was not observed is null.
void add_endpoint_key(boost::json::object& out, const EndpointKey& key);

// "count", "rate_per_s", "error_share", "outcomes", "statuses", "mean_ns", "p50_ns", "p95_ns", "p99_ns", "max_ns",
// "phases", "request_bytes", "response_bytes". span_s: the time that the cell covers.
void add_cell(boost::json::object& out, const Cell& cell, double span_s);

// What a list shows and a sentence needs: no "max_ns" and bytes, of "outcomes" only "error", of "statuses" only "5xx",
// and of "phases" "sum_ns" and "mean_ns" of those that were observed.
void add_brief_cell(boost::json::object& out, const Cell& cell, double span_s);

// 0 … 1; 0 when nothing happened.
double error_share(const Cell& cell);

// Mean of a phase over mean of the duration, 0 … 1 and somewhat more; negative: not observed.
double phase_share(const Cell& cell, Phase phase);

}  // namespace sonde
