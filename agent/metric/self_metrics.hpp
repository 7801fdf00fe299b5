#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/loss.hpp"

namespace sonde {

enum class SampleType : std::uint8_t { counter, gauge };

// One value of one metric of the agent itself. Samples of a family share name, help and type.
struct Sample {
    std::string name;
    std::string help;
    SampleType type = SampleType::gauge;
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
};

struct FeatureState {
    std::string name;
    bool enabled = false;
};

// Where the values come from; each is called on a scrape's thread.
struct SelfMetricsProviders {
    std::string version;
    std::function<LossMatrix()> losses;
    std::function<std::vector<FeatureState>()> features;
    std::function<std::vector<Sample>()> samples;
};

// What the agent tells of itself: sonde_*.
class SelfMetrics final : public prometheus::Collectable {
public:
    explicit SelfMetrics(SelfMetricsProviders providers) : providers_(std::move(providers)) {}
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

private:
    const SelfMetricsProviders providers_;
};

}  // namespace sonde
