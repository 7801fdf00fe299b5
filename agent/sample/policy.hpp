#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// A transaction and what else a decision may rest on.
struct SampleInput {
    const Transaction& transaction;
    std::uint64_t trace_high = 0;  // the trace id (W3C Trace Context), both zero: it has none
    std::uint64_t trace_low = 0;
    bool error_log = false;                             // one of its log lines says error or worse
    const std::vector<std::string>* headers = nullptr;  // names of request headers that were seen, lower case
};

// Transactions that fulfil every condition that is set are kept with the rule's rate. Texts match whole, or up to a
// '*' at the end.
struct SamplingRule {
    std::string name{};  // of the counters: lower case letters, digits, '_'
    std::vector<std::string> services{};
    std::vector<std::string> routes{};
    std::vector<std::string> paths{};
    std::uint16_t status_min = 0;  // 0: any; a status that was not observed matches no range
    std::uint16_t status_max = 0;  // 0: any
    std::uint64_t duration_min_ns = 0;
    std::uint64_t duration_max_ns = 0;  // 0: any
    std::string header{};               // this request header was sent
    double rate = 1;                    // 0: none is kept … 1: all are
};

// At most so many bytes per second, averaged over a second, go to the sink. 0: no limit.
struct SinkLimit {
    std::string sink{};
    std::uint64_t bytes_per_second = 0;
};

// What a user writes. The default keeps everything, and lets go of some before a sink's queue would drop any.
//
// The first that holds decides: the tail conditions (kept: errors are never lost to sampling), skip_paths (not kept),
// rules in their order, head_rate. What a tail condition keeps is under no limit below either.
struct SamplingConfig {
    double head_rate = 1;
    bool keep_errors = true;                   // 5xx, or the protocol broke
    bool keep_aborted = true;                  // the peer left
    bool keep_error_logs = true;               // a log line of it says error
    bool keep_slower_than_p99 = true;          // of its own route, once that is known
    bool keep_new_routes = true;               // the first of each
    std::uint64_t keep_slower_than_ns = 0;     // 0: no such condition
    std::uint64_t keep_larger_than_bytes = 0;  // request or response; 0: no such condition
    std::vector<std::string> skip_paths{};     // health checks; '*' at the end
    std::vector<SamplingRule> rules{};
    std::uint32_t route_per_second = 0;  // of each route, drawn evenly; they wait for the second's end. 0: no limit
    std::vector<SinkLimit> sinks{};
    bool adaptive = true;  // a sink's rate falls while its queue is more than three quarters full
};

// A checked configuration: immutable, shared by threads. Decisions are numbered: the built-in ones, then rules, then
// "head".
class SamplingPolicy {
public:
    enum Builtin : std::uint16_t { error, aborted, error_log, slow, slow_for_route, large, new_route, skipped };
    static constexpr std::size_t builtin_count = 8;
    static constexpr std::size_t max_rules = 64;

    // The error names the rule and says why: rates outside 0 … 1, empty ranges, rules that can never apply.
    static Result<std::shared_ptr<const SamplingPolicy>> build(const SamplingConfig& config);
    static std::shared_ptr<const SamplingPolicy> defaults();

    [[nodiscard]] const SamplingConfig& config() const { return config_; }
    [[nodiscard]] std::size_t decision_count() const { return builtin_count + config_.rules.size() + 1; }
    [[nodiscard]] std::string_view decision_name(std::size_t decision) const;

    // Something may be dropped other than under back-pressure.
    [[nodiscard]] bool drops() const { return drops_; }
    // The first rule that holds, or rules.size() (head_rate).
    [[nodiscard]] std::size_t matching_rule(const SampleInput& input) const;
    [[nodiscard]] bool skips(std::string_view path) const;

private:
    explicit SamplingPolicy(SamplingConfig config);
    Status check() const;

    SamplingConfig config_;
    bool drops_ = false;
};

}  // namespace sonde
