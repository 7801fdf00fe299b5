#include "agent/sample/sampler.hpp"

#include <algorithm>

#include "agent/sample/sample_hash.hpp"

namespace sonde {
namespace {

constexpr std::size_t none = SamplingPolicy::builtin_count;
constexpr std::uint64_t reservoir_salt = 1;
constexpr std::uint64_t ns_per_second = 1'000'000'000;

void bump(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

Sampler::Sampler(std::shared_ptr<const SamplingPolicy> policy, OnKept on_kept)
    : policy_(std::move(policy)), on_kept_(std::move(on_kept)), counters_(policy_->decision_count()) {
    if (const auto k = policy_->config().route_per_second; k > 0) reservoir_ = std::make_unique<Reservoir>(k);
}

// The tail condition that keeps it, or none.
std::size_t Sampler::must_keep(const SampleInput& input) {
    const auto& config = policy_->config();
    const auto& t = input.transaction;
    // what keeps everything needs no memory of routes
    const bool historic = policy_->drops() && (config.keep_slower_than_p99 || config.keep_new_routes);
    const auto seen = historic ? history_.add(t.service, t.route, t.duration_ns) : RouteHistory::Seen{};
    if (config.keep_errors && (t.outcome == Outcome::error || t.status >= 500)) return SamplingPolicy::error;
    if (config.keep_aborted && t.outcome == Outcome::aborted) return SamplingPolicy::aborted;
    if (config.keep_error_logs && input.error_log) return SamplingPolicy::error_log;
    if (policy_->skips(t.path.view())) return none;  // a health check is not news because it is slow
    if (config.keep_slower_than_ns != 0 && t.duration_ns > config.keep_slower_than_ns) return SamplingPolicy::slow;
    if (config.keep_slower_than_p99 && seen.slower_than_p99) return SamplingPolicy::slow_for_route;
    if (config.keep_larger_than_bytes != 0 &&
        std::max(t.request_bytes, t.response_bytes) > config.keep_larger_than_bytes)
        return SamplingPolicy::large;
    if (config.keep_new_routes && seen.first) return SamplingPolicy::new_route;
    return none;
}

Sampler::Decision Sampler::decided(std::size_t number, double rate, std::uint64_t hash, bool must) {
    const bool keep = rate >= 1 || unit(hash) < rate;
    bump(keep ? counters_[number].kept : counters_[number].dropped);
    return {keep, must, keep ? 1 / rate : 0, number};
}

Sampler::Decision Sampler::decide(const SampleInput& input) {
    if (const auto kept = must_keep(input); kept != none) return decided(kept, 1, 0, true);
    if (policy_->skips(input.transaction.path.view())) return decided(SamplingPolicy::skipped, 0, 0, false);
    const auto& rules = policy_->config().rules;
    const auto rule = policy_->matching_rule(input);
    const double rate = rule < rules.size() ? rules[rule].rate : policy_->config().head_rate;
    return decided(SamplingPolicy::builtin_count + rule, rate, rate < 1 ? sample_hash(input) : 0, false);
}

Sampler::Decision Sampler::decide_line(std::uint64_t trace_high, std::uint64_t trace_low, bool error_line,
                                       std::uint64_t line_hash) const {
    const auto number = policy_->decision_count() - 1;
    if (error_line && policy_->config().keep_error_logs) return {true, true, 1, SamplingPolicy::error_log};
    const double rate = policy_->config().head_rate;
    const Transaction none_known{};
    const bool traced = (trace_high | trace_low) != 0;
    const auto hash = traced ? sample_hash({none_known, trace_high, trace_low}) : mix(line_hash);
    const bool keep = rate >= 1 || unit(hash) < rate;
    return {keep, false, keep ? 1 / rate : 0, number};
}

void Sampler::offer(Transaction& transaction, const SampleInput& input, std::uint64_t now_ns) {
    tick(now_ns);
    const auto decision = decide(input);
    if (!decision.keep) return;
    transaction.sample_weight = decision.weight;
    if (reservoir_ == nullptr || decision.must) return on_kept_(transaction, decision.must);
    // another coin than the head's: all that came past that one have small hashes there
    switch (reservoir_->put(transaction, salted(sample_hash(input), reservoir_salt))) {
        case Reservoir::Put::held:
            return;
        case Reservoir::Put::refused:
            return bump(not_drawn_);
        case Reservoir::Put::no_room:
            return on_kept_(transaction, false);
    }
}

void Sampler::tick(std::uint64_t now_ns) {
    const auto second = now_ns / ns_per_second;
    if (second == second_) return;
    second_ = second;
    finish();
}

void Sampler::adopt(std::shared_ptr<const SamplingPolicy> policy) {
    finish();
    const std::lock_guard lock(policy_mutex_);
    for (auto& count : current_counts()) {
        const bool room = retired_.size() < max_retired || retired_.contains(count.rule);
        auto& sum = retired_[room ? count.rule : "{retired}"];
        sum.kept += count.kept;
        sum.dropped += count.dropped;
    }
    policy_ = std::move(policy);
    counters_ = std::vector<Counter>(policy_->decision_count());
    const auto k = policy_->config().route_per_second;
    reservoir_ = k > 0 ? std::make_unique<Reservoir>(k) : nullptr;
}

std::vector<Sampler::RuleCount> Sampler::current_counts() const {
    std::vector<RuleCount> counts;
    for (std::size_t i = 0; i < counters_.size(); ++i)
        counts.push_back({std::string(policy_->decision_name(i)), kept(i), dropped(i)});
    return counts;
}

std::vector<Sampler::RuleCount> Sampler::counts() const {
    const std::lock_guard lock(policy_mutex_);
    auto counts = current_counts();
    auto former = retired_;
    for (auto& count : counts) {
        const auto known = former.find(count.rule);
        if (known == former.end()) continue;
        count.kept += known->second.kept;
        count.dropped += known->second.dropped;
        former.erase(known);
    }
    for (const auto& [rule, count] : former)
        if (count.kept + count.dropped > 0) counts.push_back({rule, count.kept, count.dropped});
    return counts;
}

void Sampler::finish() {
    if (reservoir_ != nullptr && reservoir_->held() > 0)
        reservoir_->release([this](Transaction& transaction) { on_kept_(transaction, false); });
}

}  // namespace sonde
