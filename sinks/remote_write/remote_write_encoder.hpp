#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sinks/delivery/batch_encoder.hpp"

namespace sonde {

struct RemoteWriteOptions {
    std::uint32_t interval_ms = 15'000;         // 1000 … 3,600,000: between two snapshots
    std::uint32_t samples_per_request = 2'000;  // 1 … 100,000
    // On every series. job and instance are filled in where they are missing: sonde, and the machine's name.
    std::vector<std::pair<std::string, std::string>> external_labels{};
};

// Snapshots of all metrics as Prometheus remote write 1.0 (prometheus.io/docs/specs/remote_write_spec; field numbers:
// prometheus/prompb/remote.proto), snappy and all. A "record" of its statistics is a sample. Event records have no form
// here.
//
// Histograms become _bucket, _sum and _count as on /metrics; all samples of a snapshot carry its time, so that what
// waited in the spool is in its place afterwards.
class RemoteWriteEncoder final : public BatchEncoder {
public:
    using Collect = std::function<std::vector<prometheus::MetricFamily>()>;

    // collect: called on the sink's thread.
    // real_ms: time of day in ms.
    RemoteWriteEncoder(RemoteWriteOptions options, Collect collect, std::function<std::int64_t()> real_ms);

    bool add(const Record&) override { return false; }
    std::uint32_t tick(std::uint64_t now_ms) override;
    [[nodiscard]] std::size_t bytes() const override { return body_.size(); }
    std::string take() override;

private:
    using Labels = std::vector<std::pair<std::string_view, std::string_view>>;
    void snapshot();
    void add_metric(const prometheus::MetricFamily& family, const prometheus::ClientMetric& metric);
    void add_histogram(const std::string& name, const prometheus::ClientMetric& metric);
    void add_summary(const std::string& name, const prometheus::ClientMetric& metric);
    void add_series(const std::string& name, const prometheus::ClientMetric& metric, double value,
                    std::string_view more_name = {}, std::string_view more_value = {});

    const RemoteWriteOptions options_;
    const Collect collect_;
    const std::function<std::int64_t()> real_ms_;
    std::uint64_t next_ms_ = 0;  // steady clock
    std::int64_t snapshot_ms_ = 0;
    std::vector<std::string> waiting_;  // encoded series of the last snapshot, in reverse order
    Labels labels_;                     // reused
    std::string body_;                  // WriteRequest before compression
};

}  // namespace sonde
