#include "sinks/remote_write/remote_write_encoder.hpp"

#include <snappy.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <protozero/pbf_writer.hpp>

namespace sonde {
namespace {

using Digits = std::array<char, 32>;

// As /metrics shows bounds and quantiles (%.16g): a series must be the same whichever way it came.
std::string_view bound_text(double value, Digits& digits) {
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    const bool plain = value == 0 || (std::abs(value) >= 1e-4 && std::abs(value) < 1e16);
    const auto format = plain ? std::chars_format::fixed : std::chars_format::general;
    const auto* end = std::to_chars(digits.data(), digits.data() + digits.size(), value, format).ptr;
    return {digits.data(), static_cast<std::size_t>(end - digits.data())};
}

}  // namespace

RemoteWriteEncoder::RemoteWriteEncoder(RemoteWriteOptions options, Collect collect,
                                       std::function<std::int64_t()> real_ms)
    : options_(std::move(options)), collect_(std::move(collect)), real_ms_(std::move(real_ms)) {}

std::uint32_t RemoteWriteEncoder::tick(std::uint64_t now_ms) {
    if (waiting_.empty()) {
        if (now_ms < next_ms_) return 0;
        // from the time that was meant: a slow destination must not stretch the interval
        next_ms_ = next_ms_ == 0 || now_ms - next_ms_ >= options_.interval_ms ? now_ms + options_.interval_ms
                                                                              : next_ms_ + options_.interval_ms;
        snapshot();
    }
    std::uint32_t count = 0;
    for (; count < options_.samples_per_request && !waiting_.empty(); ++count) {
        body_ += waiting_.back();
        waiting_.pop_back();
    }
    return count;
}

void RemoteWriteEncoder::snapshot() {
    snapshot_ms_ = real_ms_();
    for (const auto& family : collect_())
        for (const auto& metric : family.metric) add_metric(family, metric);
    std::reverse(waiting_.begin(), waiting_.end());
}

void RemoteWriteEncoder::add_metric(const prometheus::MetricFamily& family, const prometheus::ClientMetric& metric) {
    switch (family.type) {
        case prometheus::MetricType::Counter:
            return add_series(family.name, metric, metric.counter.value);
        case prometheus::MetricType::Gauge:
            return add_series(family.name, metric, metric.gauge.value);
        case prometheus::MetricType::Untyped:
            return add_series(family.name, metric, metric.untyped.value);
        case prometheus::MetricType::Summary:
            return add_summary(family.name, metric);
        case prometheus::MetricType::Histogram:
            return add_histogram(family.name, metric);
    }
}

void RemoteWriteEncoder::add_histogram(const std::string& name, const prometheus::ClientMetric& metric) {
    const auto& histogram = metric.histogram;
    const auto bucket_name = name + "_bucket";
    Digits digits{};
    double last = -INFINITY;
    for (const auto& bucket : histogram.bucket) {
        last = bucket.upper_bound;
        add_series(bucket_name, metric, static_cast<double>(bucket.cumulative_count), "le",
                   bound_text(bucket.upper_bound, digits));
    }
    if (!std::isinf(last) || last < 0)
        add_series(bucket_name, metric, static_cast<double>(histogram.sample_count), "le", "+Inf");
    add_series(name + "_sum", metric, histogram.sample_sum);
    add_series(name + "_count", metric, static_cast<double>(histogram.sample_count));
}

void RemoteWriteEncoder::add_summary(const std::string& name, const prometheus::ClientMetric& metric) {
    Digits digits{};
    for (const auto& quantile : metric.summary.quantile)
        add_series(name, metric, quantile.value, "quantile", bound_text(quantile.quantile, digits));
    add_series(name + "_sum", metric, metric.summary.sample_sum);
    add_series(name + "_count", metric, static_cast<double>(metric.summary.sample_count));
}

// TimeSeries = 1 of WriteRequest { Label = 1 { name = 1; value = 2 }; Sample = 2 { double value = 1;
// int64 timestamp = 2 } }. Labels are sorted and have values, as the specification demands.
void RemoteWriteEncoder::add_series(const std::string& name, const prometheus::ClientMetric& metric, double value,
                                    std::string_view more_name, std::string_view more_value) {
    labels_.clear();
    labels_.emplace_back("__name__", name);
    if (!more_name.empty()) labels_.emplace_back(more_name, more_value);
    for (const auto& label : metric.label)
        if (!label.value.empty()) labels_.emplace_back(label.name, label.value);
    const auto own = labels_.size();
    for (const auto& [label, text] : options_.external_labels) {
        // what the series says itself holds
        const bool taken = std::any_of(labels_.begin(), labels_.begin() + static_cast<std::ptrdiff_t>(own),
                                       [&label = label](const auto& pair) { return pair.first == label; });
        if (!taken && !text.empty()) labels_.emplace_back(label, text);
    }
    std::sort(labels_.begin(), labels_.end());
    auto& encoded = waiting_.emplace_back();
    protozero::pbf_writer request(encoded);
    protozero::pbf_writer series(request, 1);
    for (const auto& [label, text] : labels_) {
        protozero::pbf_writer pair(series, 1);
        pair.add_string(1, label.data(), label.size());
        pair.add_string(2, text.data(), text.size());
    }
    protozero::pbf_writer sample(series, 2);
    sample.add_double(1, value);
    sample.add_int64(2, snapshot_ms_);
}

std::string RemoteWriteEncoder::take() {
    std::string packed;
    snappy::Compress(body_.data(), body_.size(), &packed);
    body_.clear();
    return packed;
}

}  // namespace sonde
