#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/sample/policy.hpp"
#include "agent/sample/reservoir.hpp"
#include "agent/sample/route_history.hpp"

namespace sonde {

// Decides which transactions are written out in full. Metrics see all of them before.
//
//   offer ─► decide: tail, skip, rules, head ─keep─► reservoir (route_per_second) ─► on_kept ─► SinkRate per sink
//                       │ must be kept ──────────────────────────────────────────────┘
//
// Each step multiplies sample_weight by one over the probability it kept the transaction with, so the weights of what
// is written sum to what was seen: of every route, every status, every second.
//
// One thread, but for the counters.
class Sampler {
public:
    // must: a tail condition keeps it, no later step may drop it.
    using OnKept = std::function<void(const Transaction& transaction, bool must)>;

    Sampler(std::shared_ptr<const SamplingPolicy> policy, OnKept on_kept);

    struct Decision {
        bool keep = true;
        bool must = false;
        double weight = 1;
        std::size_t number = 0;  // SamplingPolicy::decision_name()
    };
    // Counts it. Two agents of one policy agree on a trace id wherever no route's history comes in.
    Decision decide(const SampleInput& input);
    // For a log line whose request is not known; one whose request is follows its decision. Not counted.
    [[nodiscard]] Decision decide_line(std::uint64_t trace_high, std::uint64_t trace_low, bool error_line,
                                       std::uint64_t line_hash) const;

    // input.transaction is `transaction`. now_ns: CLOCK_MONOTONIC, never less than before. on_kept is called for it
    // before offer returns, or at the end of its second.
    void offer(Transaction& transaction, const SampleInput& input, std::uint64_t now_ns);
    // About once a second: lets those of past seconds go.
    void tick(std::uint64_t now_ns);
    // Lets all go.
    void finish();

    // Lets all go that waits, and decides by this policy from now on. Counts go on, by the rules' names.
    void adopt(std::shared_ptr<const SamplingPolicy> policy);
    // What each rule kept and dropped over the sampler's life; of policies that were, those that did anything. Bounded:
    // beyond max_retired names, in the entry "{retired}". Any thread.
    struct RuleCount {
        std::string rule;
        std::uint64_t kept = 0;
        std::uint64_t dropped = 0;
    };
    [[nodiscard]] std::vector<RuleCount> counts() const;
    static constexpr std::size_t max_retired = 256;

    // The sampler's thread.
    [[nodiscard]] const SamplingPolicy& policy() const { return *policy_; }
    // Numbers of transactions under this policy; the last of any policy. Any thread, while nobody adopts another.
    [[nodiscard]] std::uint64_t kept(std::size_t decision) const { return load(counters_[decision].kept); }
    [[nodiscard]] std::uint64_t dropped(std::size_t decision) const { return load(counters_[decision].dropped); }
    [[nodiscard]] std::uint64_t not_drawn() const { return load(not_drawn_); }  // by route_per_second

private:
    struct Counter {
        std::atomic<std::uint64_t> kept{0};
        std::atomic<std::uint64_t> dropped{0};
    };
    static std::uint64_t load(const std::atomic<std::uint64_t>& c) { return c.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t must_keep(const SampleInput& input);
    Decision decided(std::size_t number, double rate, std::uint64_t hash, bool must);

    std::vector<RuleCount> current_counts() const;

    std::shared_ptr<const SamplingPolicy> policy_;
    const OnKept on_kept_;
    RouteHistory history_;
    std::unique_ptr<Reservoir> reservoir_;
    std::uint64_t second_ = 0;
    std::vector<Counter> counters_;
    std::map<std::string, RuleCount> retired_;  // of former policies
    mutable std::mutex policy_mutex_;           // of the above and policy_, but for this thread's own reading
    std::atomic<std::uint64_t> not_drawn_{0};
};

}  // namespace sonde
