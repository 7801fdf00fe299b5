#include "agent/log/log_metrics.hpp"

#include <algorithm>

#include "agent/log/message_template.hpp"

namespace sonde {
namespace {

constexpr std::string_view other = "other";

std::uint64_t mixed(std::uint64_t hash, std::string_view text) {
    return (hash ^ std::hash<std::string_view>{}(text)) * 0x9e3779b97f4a7c15ULL;
}

}  // namespace

LogMetrics::LogMetrics(LogMetricsOptions options) : options_(std::move(options)) {
    templates_.reserve(options_.templates_max);
}

std::string LogMetrics::shown(std::string_view text) const {
    return options_.redact ? options_.redact(text) : std::string(text);
}

LogMetrics::Series& LogMetrics::series_of(const LogRecord& record, std::string_view service) {
    auto logger = record.logger;
    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto hash = mixed(mixed(static_cast<std::uint64_t>(record.severity), service), logger);
        const auto [begin, end] = by_hash_.equal_range(hash);
        for (auto at = begin; at != end; ++at) {
            auto& series = *at->second;
            if (series.severity == record.severity && series.service == service && series.logger == logger)
                return series;
        }
        // room is kept for the overflow series of each level
        const bool room = by_hash_.size() + severity_count < options_.series_max;
        if (room || attempt == 1) {
            const std::lock_guard lock(mutex_);
            auto& made = series_.emplace_back();
            made.service = service, made.logger = logger, made.severity = record.severity;
            by_hash_.emplace(hash, &made);
            return made;
        }
        service = logger = other;
    }
    return series_.front();  // not reached: the second attempt finds or makes one
}

void LogMetrics::add_error(const LogRecord& record, std::string_view service) {
    const auto key = mixed(record.template_hash, service);
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(templates_.begin(), templates_.end(), [&](const Template& known) { return known.key == key; });
    if (found != templates_.end()) {
        ++found->count;
        return;
    }
    auto* place = &templates_.emplace_back();
    if (templates_.size() > options_.templates_max) {
        templates_.pop_back();
        place = &*std::min_element(templates_.begin(), templates_.end(),
                                   [](const Template& a, const Template& b) { return a.count < b.count; });
        place->error = place->count;
    }
    place->key = key;
    place->service = service;
    place->text = MessageTemplate(record.message).view();
    ++place->count;
}

void LogMetrics::add(const LogRecord& record, std::string_view service) {
    if (service.empty()) service = record.source.service;
    series_of(record, service).records.fetch_add(1, std::memory_order_relaxed);
    if (record.severity >= Severity::error && record.template_hash != 0 && options_.templates_max > 0)
        add_error(record, service);
}

std::vector<prometheus::MetricFamily> LogMetrics::Collect() const {
    const auto family = [](const char* name, const char* help) {
        prometheus::MetricFamily made;
        made.name = name;
        made.help = help;
        made.type = prometheus::MetricType::Counter;
        return made;
    };
    auto records = family("sonde_log_records_total", "Number of log records read, by service, level and logger.");
    auto errors = family("sonde_log_error_messages_total",
                         "Number of error records by message template, of the most frequent; a lower bound.");
    const std::lock_guard lock(mutex_);
    for (const auto& series : series_) {
        prometheus::ClientMetric metric;
        metric.label = {{"service", shown(series.service)},
                        {"level", std::string(to_string(series.severity))},
                        {"logger", shown(series.logger)}};
        metric.counter.value = static_cast<double>(series.records.load(std::memory_order_relaxed));
        records.metric.push_back(std::move(metric));
    }
    for (const auto& known : templates_) {
        prometheus::ClientMetric metric;
        metric.label = {{"service", shown(known.service)}, {"template", shown(known.text)}};
        metric.counter.value = static_cast<double>(known.count - known.error);
        errors.metric.push_back(std::move(metric));
    }
    return {std::move(records), std::move(errors)};
}

}  // namespace sonde
