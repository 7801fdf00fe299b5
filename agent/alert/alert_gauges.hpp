#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/alert/alert_inputs.hpp"
#include "agent/alert/alert_rule.hpp"

namespace sonde {

// A total over time: by how much it grew in the last seconds. The first value that is seen counts as where it began;
// a total that goes back began anew.
class AlertCounter {
public:
    void add(std::uint64_t now_s, double total);
    // Nothing: fewer than two values.
    [[nodiscard]] std::optional<double> increase(std::uint64_t now_s, std::uint64_t window_s) const;
    // Seconds between the values that increase() compares.
    [[nodiscard]] double span_s(std::uint64_t now_s, std::uint64_t window_s) const;
    [[nodiscard]] std::uint64_t seen_s() const { return values_.empty() ? 0 : values_.back().at_s; }

private:
    struct Value {
        std::uint64_t at_s;
        double grown;  // since the first value
    };
    static constexpr std::uint64_t keep_s = 3600, step_s = 5;

    [[nodiscard]] const Value* at(std::uint64_t now_s, std::uint64_t window_s) const;

    std::deque<Value> values_;
    double last_total_ = 0;
};

// The signals that are not of transactions. One thread.
class AlertGauges {
public:
    // descriptor_limit: of a process by pid; 0: not known.
    explicit AlertGauges(std::function<double(std::uint32_t pid)> descriptor_limit = {})
        : descriptor_limit_(std::move(descriptor_limit)) {}

    void update(const AlertInputs& inputs);
    // One per label set that was observed.
    [[nodiscard]] std::vector<AlertReading> read(const AlertRule& rule) const;
    // Of a service and of the agent, in the last span_s, newest first.
    [[nodiscard]] std::vector<AlertChange> changes_of(std::string_view service, std::uint64_t span_s) const;

private:
    static constexpr std::size_t counters_max = 4096, changes_max = 1024;
    struct Happened {
        std::uint64_t at_s;
        AlertServiceChange what;
    };
    using Family = prometheus::MetricFamily;

    void count(const std::string& series, double total);
    void update_resources(const std::vector<Family>& families);
    [[nodiscard]] const Family* family(std::string_view name) const;
    [[nodiscard]] const AlertCounter* counter(const std::string& series) const;
    [[nodiscard]] std::vector<AlertReading> node_cpu(const AlertRule& rule) const;
    [[nodiscard]] std::vector<AlertReading> memory(const AlertRule& rule) const;
    [[nodiscard]] std::vector<AlertReading> disk() const;
    [[nodiscard]] std::vector<AlertReading> descriptors() const;
    [[nodiscard]] std::vector<AlertReading> ratio(const char* part, const char* whole, const AlertRule& rule) const;
    [[nodiscard]] std::vector<AlertReading> grown(std::string_view family_name, const AlertRule& rule,
                                                  double per_s) const;
    [[nodiscard]] std::vector<AlertReading> websockets(const AlertRule& rule) const;
    [[nodiscard]] std::vector<AlertReading> happened(const AlertRule& rule, std::string_view kind) const;
    [[nodiscard]] std::vector<AlertReading> of_the_agent(const AlertRule& rule) const;

    const std::function<double(std::uint32_t pid)> descriptor_limit_;
    AlertInputs now_;
    std::shared_ptr<const std::vector<Family>> counted_;  // whose counters were taken
    std::map<std::string, AlertCounter, std::less<>> counters_;
    std::deque<Happened> changes_;
};

}  // namespace sonde
