#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/loss.hpp"

namespace sonde {

enum class SampleType : unsigned char { counter, gauge, histogram };

// One value of the agent about itself. Samples with the same family name are shown together: type and help of the
// first count. Counters end in _total; help is not empty.
struct Sample {
    std::string family;
    std::string help;
    SampleType type = SampleType::gauge;
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;  // of a histogram: the sum of what was observed
    std::vector<std::pair<double, std::uint64_t>>
        buckets{};  // histogram: bounds and cumulative counts; the last is +Inf
};

struct FeatureState {
    std::string name;
    bool enabled = false;
};

// Where the numbers come from; each is called on the scraping thread, so it must be safe there. An empty one is
// left out.
struct SelfMetricsProviders {
    std::string version;
    std::function<LossMatrix()> losses;
    std::function<std::vector<FeatureState>()> features;
    std::function<std::vector<Sample>()> samples;  // queues, sinks, tables
};

// The agent about itself: sonde_records_*, sonde_feature_enabled, sonde_build_info, sonde_process_* and the samples.
// Any thread.
class SelfMetrics : public prometheus::Collectable {
public:
    explicit SelfMetrics(SelfMetricsProviders providers) : providers_(std::move(providers)) {}
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

private:
    const SelfMetricsProviders providers_;
};

}  // namespace sonde
