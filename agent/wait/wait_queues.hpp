#pragma once

#include <cstdint>
#include <optional>

#include "agent/base/spsc_queue.hpp"
#include "agent/model/wait.hpp"

namespace sonde {

// A thread that serves a request, to be looked at.
struct WaitOrder {
    std::uint64_t span_id = 0;  // of the request
    std::uint32_t tid = 0;
    float stands_for_s = 0;
};

// What it was found at. Each order is answered by one.
struct WaitAnswer {
    WaitOrder order;
    std::uint64_t time_ns = 0;        // CLOCK_MONOTONIC, after the look
    std::optional<WaitCause> waited;  // empty: it ran or was ready to, had ended, or may not be looked at
};

// Between the pipeline's thread, which orders, and that of the sampler, which answers.
struct WaitQueues {
    static constexpr std::size_t orders_max = 32;  // under way at a time
    SpscQueue<WaitOrder> orders{orders_max};
    SpscQueue<WaitAnswer> answers{orders_max};
};

}  // namespace sonde
