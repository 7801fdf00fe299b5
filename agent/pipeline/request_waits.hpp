#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

#include "agent/model/request_observer.hpp"
#include "agent/wait/wait_queues.hpp"

namespace sonde {

// What the threads that serve requests wait for: some of them are looked at every interval_ns, and what is found goes
// to the request that the thread serves just then. Which thread is looked at is drawn, and each look stands for the
// time and the threads it was drawn from, so that sums over many requests are right however short each is.
// A thread with several requests open is taken for that of the newest; they lose their CPU time, too (phases.hpp).
// Pipeline thread only; no allocation after construction.
class RequestWaits {
public:
    static constexpr std::uint64_t interval_ns = 50'000'000;

    // wake: the queue of orders has some.
    RequestWaits(std::shared_ptr<WaitQueues> queues, std::function<void()> wake);

    void request_read(const RequestRead& read);
    // What was found up to answered_ns, when the thread sent the answer's first byte.
    // Nothing where looks at it that were counted came after that: the pipeline was far behind.
    WaitSamples take(std::uint64_t span_id, std::uint32_t tid, std::uint64_t answered_ns);
    // Its transaction is complete, whoever answered: the thread that read it is looked at for it no more.
    void forget(std::uint64_t span_id, std::uint32_t tid);
    // now_ns: CLOCK_MONOTONIC.
    void advance(std::uint64_t now_ns);

private:
    struct Slot {
        std::uint64_t span_id = 0;  // 0: the thread serves nothing
        std::uint32_t tid = 0;
        // The answer is told somewhat later than it was sent: whether the last look was before it shows then.
        WaitAnswer last;
        std::uint64_t counted_ns = 0;  // time of the newest look in `samples`
        WaitSamples samples;
    };
    static constexpr std::size_t slot_count = 1024;
    static constexpr std::size_t reach = 16;  // slots from its own on that a thread may be in

    // That of the request, null: there is none.
    Slot* find(std::uint64_t span_id, std::uint32_t tid);
    // For a new request of the thread; null: all that it may be in are taken, and it is not looked at.
    Slot* place_for(std::uint32_t tid);
    void take_answers();
    std::uint64_t random();

    const std::shared_ptr<WaitQueues> queues_;
    const std::function<void()> wake_;
    std::array<Slot, slot_count> slots_;
    std::array<const Slot*, WaitQueues::orders_max> drawn_{};
    std::size_t under_way_ = 0;  // orders without an answer
    std::uint64_t last_round_ns_ = 0;
    std::uint64_t random_ = 0x9e3779b97f4a7c15;
};

}  // namespace sonde
