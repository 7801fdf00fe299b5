#pragma once

#include <array>
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
#include "sinks/delivery/split_body.hpp"
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
    SplitBody split{};  // null: what is too large is refused for good
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
//
// What the destination finds too large is sent by halves, and each of them likewise, within one poll(); a single record
// that is too large is dropped (rejected). Halves have no originals, for nobody knows which record is in which: of a
// batch that had to be divided, the fallback gets nothing.
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
    // Makes one attempt at most, if one is due; more where a batch has to be divided.
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
    std::vector<Batch> send(std::vector<Batch> waiting);
    void try_front_parts();
    [[nodiscard]] std::uint64_t done_of_front() const;
    SendResult attempt(std::string_view body, std::uint32_t records);
    bool divide(const Batch& batch, std::vector<Batch>& out) const;
    void count_delivered(const SendResult& result, std::size_t body_bytes, std::uint32_t records);
    void refuse(const Batch& batch, const SendResult& result);
    void store(const Batch& batch);
    void give_up(const Batch& batch, DropReason reason);
    bool divert(const Batch& batch);
    void spool_memory();
    void lost(DropReason reason, std::uint64_t records);
    void say_losses();
    void collect_spool_losses();
    void announce_recovery();

    BatchSenderParts parts_;
    RetrySchedule retry_;
    CircuitBreaker breaker_;
    std::deque<Batch> memory_;
    std::uint32_t front_attempts_ = 0;  // of the oldest batch in memory
    std::vector<Batch> front_parts_;    // of the spool's front, what is left after some were sent; empty: all of it
    std::uint32_t front_records_ = 0;   // of the whole front, while there are parts; else 0
    ExportStats stats_;
    std::string last_error_;
    bool able_ = true;
    std::array<std::uint64_t, drop_reason_names.size()> unsaid_{};  // records lost that no line has told of
    std::uint64_t said_ms_ = 0;                                     // steady: the last line about losses
    bool said_ = false;
};

}  // namespace sonde
