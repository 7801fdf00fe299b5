#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sinks/delivery/circuit_breaker.hpp"
#include "sinks/delivery/export_stats.hpp"
#include "sinks/delivery/retry_schedule.hpp"
#include "sinks/delivery/spool.hpp"
#include "sinks/delivery/transport.hpp"
#include "sinks/sink.hpp"

namespace sonde {

struct Batch {
    std::string body;
    std::uint32_t records = 0;
    std::uint64_t time_ns = 0;      // CLOCK_REALTIME when it was closed
    std::vector<Record> originals;  // for the fallback; empty where there is none
};

// What time it is: the steady clock paces, the time of day gives ages that survive a restart.
struct SendClock {
    std::uint64_t steady_ms = 0;
    std::uint64_t real_ns = 0;
    static SendClock now();
};

struct BatchSenderParts {
    std::string name;
    std::unique_ptr<Transport> transport;
    RetryOptions retry{};
    BreakerOptions breaker{};
    std::optional<Spool> spool{};
    std::uint64_t spool_max_age_ms = 0;  // 0: no limit
    std::unique_ptr<Sink> fallback{};
    std::size_t max_waiting = 4;                         // batches in memory, 1 …
    std::uint64_t seed = 0;                              // of the retries' jitter
    std::function<void(const std::string&)> announce{};  // a line for people; default: stderr
    std::function<SendClock()> clock = SendClock::now;
};

// Gets closed batches to their destination, one at a time and in order.
//
//     submit ──▶ memory ──▶ transport ──▶ delivered
//                  │ trouble     │ refused for good ──▶ dropped (rejected)
//                  ▼             │ trouble: again after the retry schedule's delay, if the breaker lets it
//                spool ──────────┘
//                  │ full
//                  ▼
//                fallback, else dropped (spool_full). Without a spool batches wait in memory until they are too
//                old; then fallback, else dropped (expired).
//
// While anything waits in the spool, new batches queue behind it. One thread.
class BatchSender {
public:
    explicit BatchSender(BatchSenderParts parts);

    // Takes the batch over in any case; stats() tell what became of it.
    void submit(Batch batch);
    // Whether it is the time for another submit(). In trouble, spool and fallback always have room; a destination that
    // works is waited for. Memory holds what is submitted nevertheless.
    [[nodiscard]] bool has_room() const {
        return memory_.size() < parts_.max_waiting || ((parts_.spool || parts_.fallback) && in_trouble());
    }
    // Makes at most one attempt, if one is due.
    void poll();
    // The end: tries what waits for as long as the destination takes it and the deadline has not passed; spools,
    // diverts or drops (shutdown) the rest.
    void finish(std::chrono::steady_clock::time_point deadline);

    // The last attempt succeeded, or there was none.
    [[nodiscard]] bool able() const { return able_; }
    // Everything but written, skipped and the open batch. Counters of the caller may be added to it.
    [[nodiscard]] ExportStats& stats();
    Transport& transport() { return *parts_.transport; }

private:
    [[nodiscard]] bool in_trouble() const { return retry_.failures() > 0 || breaker_.state() != BreakerState::closed; }
    void try_spool(const SendClock& now);
    void try_memory();
    void drop_expired(const SendClock& now);
    SendResult attempt(std::string_view body, std::uint32_t records);
    void count_delivered(const SendResult& result, std::size_t body_bytes, std::uint32_t records);
    void refuse(Batch batch, const SendResult& result);
    void store(Batch batch);
    void give_up(Batch batch, DropReason reason);
    bool divert(const Batch& batch);
    void spool_memory();
    void lost(DropReason reason, std::uint64_t records);
    void collect_spool_losses();
    void announce_recovery();

    BatchSenderParts parts_;
    RetrySchedule retry_;
    CircuitBreaker breaker_;
    std::deque<Batch> memory_;
    std::uint32_t front_attempts_ = 0;  // of the oldest batch in memory
    ExportStats stats_;
    std::string last_error_;
    bool able_ = true;
    std::uint64_t lost_since_said_ = 0;
    std::uint64_t said_ms_ = 0;  // steady: the last line about losses
    bool said_ = false;
};

}  // namespace sonde
