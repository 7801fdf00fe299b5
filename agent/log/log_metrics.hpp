#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/model/log_record.hpp"

namespace sonde {

struct LogMetricsOptions {
    std::size_t series_max = 512;  // of service, level and logger; the rest is counted with logger and service "other"
    std::size_t templates_max = 64;  // error messages that are told apart
    // What label values go through before they are shown: the redactor. Empty: shown as they are.
    std::function<std::string(std::string_view)> redact;
};

// Counters out of log records:
//   sonde_log_records_total{service,level,logger}        number of records
//   sonde_log_error_messages_total{service,template}     the most frequent error and fatal messages, by template
// The latter by the space-saving algorithm (Metwally, Agrawal, El Abbadi 2005): of N errors, every template with more
// than N / templates_max is among them, and its figure is what was surely seen: it never exceeds the true count. add():
// one thread; Collect(): any. add() allocates only for a series or template that it sees for the first time.
class LogMetrics : public prometheus::Collectable {
public:
    explicit LogMetrics(LogMetricsOptions options = {});
    // service: empty: the one that its source names.
    void add(const LogRecord& record, std::string_view service = {});
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

private:
    struct Series {
        std::string service, logger;
        Severity severity = Severity::unknown;
        std::atomic<std::uint64_t> records{0};
    };
    struct Template {
        std::uint64_t key = 0;
        std::string service, text;
        std::uint64_t count = 0;  // an upper bound
        std::uint64_t error = 0;  // by how much at most it is too high
    };
    Series& series_of(const LogRecord& record, std::string_view service);
    void add_error(const LogRecord& record, std::string_view service);
    [[nodiscard]] std::string shown(std::string_view text) const;

    const LogMetricsOptions options_;
    mutable std::mutex mutex_;  // of what grows: series_, and templates_ as a whole
    std::deque<Series> series_;
    std::unordered_multimap<std::uint64_t, Series*> by_hash_;  // writer only
    std::vector<Template> templates_;
};

}  // namespace sonde
