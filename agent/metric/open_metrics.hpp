#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/metric/exemplar_table.hpp"

namespace sonde {

// Exemplars of one histogram by bucket, in the order of its bounds, "+Inf" last.
struct ShownExemplar {
    std::size_t bucket = 0;
    Exemplar exemplar{};
    double unit = 1;  // Exemplar::value divided by it is in the histogram's unit
};

// By the name of the family and the labels as append_labels() writes them, without "le".
using ExemplarsBySeries = std::unordered_map<std::string, std::vector<ShownExemplar>>;

// a="b",c="d"
void append_labels(std::string& out, const std::vector<prometheus::ClientMetric::Label>& labels);

// OpenMetrics 1.0 text of the families. Names and label values are those of Prometheus' own text format, bounds too
// (le="1", not "1.0"): a series is the same whichever format a scrape asked for. A counter whose name does not end in
// "_total" has the type unknown, as the format demands.
std::string open_metrics_text(const std::vector<prometheus::MetricFamily>& families,
                              const ExemplarsBySeries& exemplars);

}  // namespace sonde
