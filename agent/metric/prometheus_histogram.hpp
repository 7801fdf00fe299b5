#pragma once

#include <prometheus/client_metric.h>

#include <cstddef>
#include <cstdint>

#include "agent/metric/histogram.hpp"

namespace sonde {

// In the unit of its bounds, with the buckets that are shown.
template <typename Bounds>
prometheus::ClientMetric::Histogram to_prometheus(const ExplicitHistogram<Bounds>& histogram) {
    const auto snapshot = histogram.snapshot();
    prometheus::ClientMetric::Histogram out;
    out.sample_count = snapshot.count;
    out.sample_sum = static_cast<double>(snapshot.sum) / Bounds::unit;
    out.bucket.reserve(Bounds::shown.size());
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < Bounds::shown.size(); ++i) {
        cumulative += snapshot.counts[i];
        out.bucket.push_back({cumulative, Bounds::shown[i]});
    }
    return out;  // the serializer adds +Inf
}

}  // namespace sonde
