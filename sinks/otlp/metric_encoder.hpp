#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/exponential_family.hpp"
#include "sinks/delivery/batch_encoder.hpp"
#include "sinks/otlp/otlp_request.hpp"

namespace sonde {

struct OtlpMetricSource {
    std::function<std::vector<prometheus::MetricFamily>()> collect;  // all metrics; called on the sink's thread
    std::function<std::vector<ExponentialFamily>()> exponential;     // what stands for families of `collect`; or empty
    std::function<std::uint64_t()> real_ns;                          // time of day
    std::uint32_t points_per_request = 512;                          // 1 …
};

// Snapshots of all metrics in ExportMetricsServiceRequests (opentelemetry-proto 1.3, metrics data model 1.0). A
// "record" of its statistics is a data point. Event records have no form here.
//
// Counters become monotonic sums, gauges and untyped values gauges, summaries summaries; histograms keep their bounds,
// but for those that the source has in exponential buckets. Temporality is cumulative; the start is that of the encoder
// (the agent's), but for what was counted before it: process_*, container_* and system_* tell none. All points of a
// snapshot carry its time.
//
// HTTP metrics have the names and units of the semantic conventions (1.27), others the names of /metrics; service_name
// and k8s_* are attributes of the resource.
class MetricEncoder final : public BatchEncoder {
public:
    MetricEncoder(const OtlpOptions& options, std::string version, OtlpMetricSource source);

    bool add(const Record&) override { return false; }
    std::uint32_t tick(std::uint64_t now_ms) override;
    [[nodiscard]] std::size_t bytes() const override { return request_.bytes(); }
    std::string take() override { return request_.take(); }

private:
    using Labels = std::vector<std::pair<std::string, std::string>>;
    enum class Kind : std::uint8_t { gauge, sum, histogram, exponential_histogram, summary };
    struct Family {
        std::string name, help, unit;
        Kind kind = Kind::gauge;
        std::uint64_t start_ns = 0;  // 0: not known
    };
    struct Point {
        std::size_t family = 0;    // place in families_
        std::string resource_key;  // equal keys: the same resource
        Labels resource;           // labels that are the resource's
        std::string encoded;       // as write_item() makes it
    };
    void snapshot();
    void begin_family(const std::string& name, const std::string& help, Kind kind);
    void add_metric(const prometheus::ClientMetric& metric, prometheus::MetricType type);
    // Adds a point of the last family. fill(fields) writes all of it but times and attributes; attributes_tag: their
    // field's number in a point of that kind.
    template <typename Fill>
    void add_point(const Labels& labels, std::uint32_t attributes_tag, Fill fill);
    void write_metric(const Point& first, const std::string& points);

    const std::uint32_t interval_ms_;
    const OtlpMetricSource source_;
    const std::uint64_t start_ns_;
    OtlpRequest request_;
    std::uint64_t next_ms_ = 0;      // steady clock
    std::uint64_t snapshot_ns_ = 0;  // time of day
    std::vector<Family> families_;   // of the last snapshot
    std::vector<Point> waiting_;     // its points; those of one resource and family stand together
    std::size_t sent_ = 0;           // of them, were in a request
};

}  // namespace sonde
