#pragma once

#include <atomic>
#include <cstdint>

#include "agent/model/transaction.hpp"
#include "agent/sample/policy.hpp"
#include "agent/sample/sink_rate.hpp"

namespace sonde {

// What a sink's delivery is doing, as its gate looks at it once in a while. Numbers over the delivery's life.
struct SinkLoad {
    std::uint64_t queued = 0;
    std::uint64_t capacity = 0;
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
};

// Stands before one sink's queue and lets through what its byte limit and its queue have room for. What must be kept
// passes always. One thread, but for the counter.
class SinkGate {
public:
    // The policy's limit for the sink of this name.
    SinkGate(const SamplingPolicy& policy, std::string_view sink);

    // From now on this policy's limit.
    void adopt(const SamplingPolicy& policy, std::string_view sink);
    // The weight that the transaction has for this sink; 0: it does not get it. load(): called every 64th time.
    template <typename Load>
    double weight(const Transaction& transaction, bool must, std::uint64_t now_ns, Load load) {
        if (calls_++ % look_every == 0) look(load());
        return decide(transaction, must, now_ns);
    }
    [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

private:
    static constexpr std::uint64_t look_every = 64;
    void look(const SinkLoad& load);
    double decide(const Transaction& transaction, bool must, std::uint64_t now_ns);

    SinkRate rate_;
    std::uint64_t calls_ = 0;
    std::uint64_t record_bytes_ = 1024;  // on average, as the sink's own numbers say
    std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace sonde
