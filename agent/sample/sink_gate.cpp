#include "agent/sample/sink_gate.hpp"

#include <algorithm>

#include "agent/sample/sample_hash.hpp"

namespace sonde {
namespace {

std::uint64_t limit_of(const SamplingConfig& config, std::string_view sink) {
    const auto found =
        std::find_if(config.sinks.begin(), config.sinks.end(), [&](const auto& limit) { return limit.sink == sink; });
    return found == config.sinks.end() ? 0 : found->bytes_per_second;
}

}  // namespace

SinkGate::SinkGate(const SamplingPolicy& policy, std::string_view sink)
    : rate_(limit_of(policy.config(), sink), policy.config().adaptive) {}

void SinkGate::adopt(const SamplingPolicy& policy, std::string_view sink) {
    rate_ = SinkRate(limit_of(policy.config(), sink), policy.config().adaptive);
}

void SinkGate::look(const SinkLoad& load) {
    rate_.queue(load.queued, load.capacity);
    if (load.records > 0 && load.bytes > 0) record_bytes_ = load.bytes / load.records;
}

double SinkGate::decide(const Transaction& transaction, bool must, std::uint64_t now_ns) {
    constexpr std::uint64_t salt = 2;
    const double rate = must ? 1 : rate_.rate(now_ns);
    // a coin of its own: neither the head's nor the reservoir's
    if (rate < 1 && unit(salted(mix(transaction.cookie) + transaction.time_ns, salt)) >= rate) {
        dropped_.store(dropped() + 1, std::memory_order_relaxed);
        return 0;
    }
    rate_.sent(record_bytes_);
    return transaction.sample_weight / rate;
}

}  // namespace sonde
