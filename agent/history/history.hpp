#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "agent/history/feed.hpp"
#include "agent/history/slot_ring.hpp"
#include "agent/history/transaction_store.hpp"

namespace sonde {

// 16 MiB with the endpoints of FeedLimits in use: 2 MiB there, 1 MiB for what is being handed over and merged.
struct HistoryOptions {
    FeedLimits feed{};
    std::size_t seconds_bytes = std::size_t{5} << 19;  // 2.5 MiB: the last five minutes at 1 s
    std::size_t tens_bytes = std::size_t{5} << 20;     // the last hour at 10 s
    std::size_t minutes_bytes = std::size_t{3} << 20;  // the last hour at 60 s: what "usual" is made of
    std::array<std::size_t, kept_as_count> kept_bytes{std::size_t{1} << 20, std::size_t{1} << 20,
                                                      std::size_t{1} << 19};  // transactions, by reason
};

// One endpoint over one window.
struct EndpointWindow {
    EndpointKey key;
    std::uint32_t id = 0;
    Cell now;                        // in the window
    std::uint64_t total_count = 0;   // since the agent started, or since the endpoint came back after an hour's rest
    std::uint64_t total_errors = 0;  // outcome error
    std::uint64_t total_duration_ns = 0;
    std::vector<std::uint32_t> counts;  // of the window's parts, oldest first
};

struct HistoryWindow {
    std::uint64_t from_s = 0, to_s = 0;  // history seconds: see History::unix_time_s; to_s is not in it
    std::uint64_t step_s = 1;            // of EndpointWindow::counts
    bool complete = true;                // nothing of it was evicted
    std::vector<EndpointWindow> endpoints;
};

struct SeriesPoint {
    std::uint64_t start_s = 0;  // history seconds
    Cell cell;
};

// Number of bytes and of what had to go; any thread.
struct HistoryStats {
    std::size_t bytes = 0;      // of all below and of the endpoints
    std::size_t endpoints = 0;  // that have a place
    std::uint64_t slots_evicted_1s = 0, slots_evicted_10s = 0, slots_evicted_60s = 0;
    std::uint64_t overflowed = 0;  // transactions counted in {overflow}
    std::size_t transactions = 0;  // kept now
    std::array<std::uint64_t, kept_as_count> transactions_evicted{};
    std::uint64_t transactions_not_kept = 0;  // beyond the rate at which they are kept
    std::uint64_t late_handovers = 0;         // seconds that went on because the last one was not taken yet
};

// The last hour of every endpoint, and the last interesting transactions, in bounded memory:
//
//   pipeline thread               thread `history`                               any thread
//   feed(): adds up  ──4 times/s──► seconds ─merge─► tens ─merge─► minutes  ◄──shared lock── questions
//
// The pipeline never waits: a question may hold the lock for milliseconds, and only the thread `history` waits for it.
// A transaction counts in the second in which the pipeline saw its end.
class History {
public:
    explicit History(const HistoryOptions& options = {});
    ~History();
    History(const History&) = delete;
    History& operator=(const History&) = delete;

    // For the pipeline; lives as long as the history.
    [[nodiscard]] HistoryFeed& feed() { return feed_; }
    // Starts the thread. Not started: whoever owns the history calls take_in() (tests).
    void start();
    // Takes what the feed has handed over; false: nothing within the timeout.
    bool take_in(std::chrono::milliseconds timeout);

    // The last window_s seconds (1 … 3600) of every endpoint with a transaction in it or in the hour before; parts:
    // into how many the counts are split. The second under way is not in it.
    [[nodiscard]] HistoryWindow window(std::uint64_t window_s, std::size_t parts) const;
    // The whole minutes of the last hour, by endpoint id, and how many seconds they cover.
    using Usual = std::unordered_map<std::uint32_t, Cell>;
    struct PastHour {
        Usual cells;
        std::uint64_t covered_s = 0;
    };
    [[nodiscard]] std::shared_ptr<const PastHour> past_hour() const;
    // The cells of the endpoints that `wanted` picks, summed, at 1, 10 or 60 s, oldest first; empty slots are left out.
    [[nodiscard]] std::vector<SeriesPoint> series(const std::function<bool(const EndpointKey&)>& wanted,
                                                  std::uint64_t step_s, std::uint64_t span_s) const;

    // The seconds that came after after_s, oldest first, as far as they are still there, as CellWalk reads them. Under
    // the lock: be short. Returns the last one, or after_s.
    std::uint64_t seconds_after(std::uint64_t after_s,
                                const std::function<void(std::uint64_t second, std::string_view cells)>& visit) const;
    // By endpoint id. A place that never had an endpoint has an empty key.
    [[nodiscard]] std::vector<EndpointKey> endpoint_keys() const;
    // The second that is under way: all before it have come in.
    [[nodiscard]] std::uint64_t now_s() const;

    // Newest first, until visit returns false; under the lock: be short.
    void transactions(const std::function<bool(const KeptTransaction&)>& visit) const;
    // Empty line: not kept.
    [[nodiscard]] KeptTransaction transaction(std::uint64_t number) const;
    // Number of transactions that have come in.
    [[nodiscard]] std::uint64_t last_number() const { return last_number_.load(std::memory_order_acquire); }

    // Changes with each second that has come in: windows, series and the past hour are as before in between.
    [[nodiscard]] std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
    // History seconds are CLOCK_MONOTONIC; the time of day that belongs to them does not jump with every correction of
    // the clock.
    [[nodiscard]] std::int64_t unix_time_s(std::uint64_t history_s) const;
    [[nodiscard]] std::uint64_t started_s() const { return started_s_; }
    [[nodiscard]] HistoryStats stats() const;

private:
    struct Known {
        EndpointKey key;
        std::uint64_t total_count = 0, total_errors = 0, total_duration_ns = 0;
    };
    struct Open {  // a slot that still grows
        std::uint64_t start_s = 0;
        std::string cells;
    };

    void take_second(const HistoryBatch& batch);
    void grow(Open& open, std::uint64_t start_s, std::string_view cells, SlotRing& full, Open* next);
    void take_transactions(HistoryBatch& batch);
    template <typename Visit>
    void for_each_slot(std::uint64_t step_s, std::uint64_t from_s, Visit visit) const;
    [[nodiscard]] const SlotRing& ring(std::uint64_t step_s) const;

    const std::uint64_t started_s_;
    HistoryFeed feed_;
    HistoryBatch batch_;  // the thread's own, as is the next
    std::string merged_;
    mutable std::shared_mutex mutex_;  // of all up to the atomics
    std::vector<Known> known_;         // by endpoint id
    SlotRing seconds_, tens_, minutes_;
    Open open_tens_, open_minutes_;
    TransactionStore store_;
    std::uint64_t now_s_;  // the first second that has not come in
    mutable std::mutex past_mutex_;
    mutable std::shared_ptr<const PastHour> past_;
    mutable std::uint64_t past_minute_ = 0;
    std::atomic<std::uint64_t> last_number_{0}, generation_{0};
    mutable std::atomic<std::int64_t> unix_offset_s_{0};
    std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sonde
