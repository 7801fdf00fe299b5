#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sonde {

// An exponential histogram as OpenTelemetry's data model has it (metrics/data-model.md §ExponentialHistogram): with
// base = 2^(2^-scale), bucket i holds values of (base^i, base^(i+1)].
struct ExponentialSnapshot {
    std::int32_t scale = 0;
    std::int32_t offset = 0;            // i of the first count
    std::vector<std::uint64_t> counts;  // not cumulative; the first and the last are not 0
    std::uint64_t zero_count = 0;       // of values up to zero_threshold
    double zero_threshold = 0;
    std::uint64_t count = 0;  // the sum of all counts, so they agree even while the writer runs
    double sum = 0;
};

// The same name, labels and help as the family that /metrics shows with explicit bounds.
struct ExponentialSeries {
    std::vector<std::pair<std::string, std::string>> labels;
    ExponentialSnapshot histogram;
};
struct ExponentialFamily {
    std::string name;
    std::string help;
    std::vector<ExponentialSeries> series;
};

}  // namespace sonde
