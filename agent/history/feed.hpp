#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/history/cell.hpp"
#include "agent/history/transaction_store.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "sinks/sink.hpp"

namespace sonde {

// What an endpoint is, in the history: a method on a route of a service, on one side, at one port of the server.
struct EndpointKey {
    std::string_view service, route;  // live as long as the agent
    InlineString<16> method;          // empty: not observed
    std::uint16_t port = 0;           // the server's; 0: not observed
    Side side = Side::server;
    bool operator==(const EndpointKey& other) const {
        return side == other.side && port == other.port && service == other.service && route == other.route &&
               method.view() == other.method.view();
    }
};

struct FeedLimits {
    std::size_t max_endpoints = 2048;  // beyond it one endpoint per side, route {overflow}; about 1 KiB each
    std::uint64_t idle_s = 3660;       // a full table gives the place of an endpoint that rested so long to a new one
    std::array<std::uint32_t, kept_as_count> kept_per_s{250, 200, 100};  // transactions kept, by reason
    std::size_t slowest_per_min = 3;                                     // of each endpoint; at most 4
};

// What the pipeline hands over, about four times a second.
struct HistoryBatch {
    struct NewEndpoint {
        std::uint32_t id;
        EndpointKey key;
    };
    std::vector<NewEndpoint> endpoints;  // come before their cells
    bool has_second = false;             // second and cells hold
    std::uint64_t second = 0;            // CLOCK_MONOTONIC, seconds
    std::uint64_t last_number = 0;       // of the transactions so far
    std::string cells;                   // of that second, as CellWalk reads them
    std::vector<KeptTransaction> kept;   // their lines are [line_ends[i - 1], line_ends[i]) of lines
    std::vector<std::size_t> line_ends;
    std::string lines;

    void clear();
    [[nodiscard]] bool empty() const { return !has_second && kept.empty() && endpoints.empty(); }
};

// The pipeline's end of the history: adds transactions up and hands what has become of a second to the history's
// thread, in one of two batches. It never waits for that thread: while the last batch is still being taken, the second
// simply goes on, and late_handovers() counts it.
//
// observe() and advance() belong to the pipeline thread, take() to the history's.
class HistoryFeed final : public TransactionObserver {
public:
    explicit HistoryFeed(const FeedLimits& limits = {});

    // The transaction has passed the redactor. No allocation but for an endpoint's first transaction.
    void observe(const Transaction& transaction) override;
    void websocket_opened(const Transaction& upgrade) override;
    // now_ns: CLOCK_MONOTONIC. To be called often; does nothing until a quarter of a second has passed.
    void advance(std::uint64_t now_ns);
    // Hands over what there is, whatever the time.
    void finish(std::uint64_t now_ns);

    // Waits for a batch until the deadline or wake(); false: there is none. The batch that is given back is reused.
    bool take(HistoryBatch& batch, std::chrono::milliseconds timeout);
    void wake();

    // Any thread.
    [[nodiscard]] std::uint64_t overflowed() const { return overflowed_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t not_kept() const { return not_kept_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t late_handovers() const { return late_.load(std::memory_order_relaxed); }

private:
    struct Tracked {
        EndpointKey key;
        Cell cell;
        std::uint64_t last_s = 0;  // the last second with a transaction
        std::uint64_t minute = 0;  // the one that slowest_ns is of
        std::array<std::uint64_t, 4> slowest_ns{};
    };
    struct KeyHash {
        std::size_t operator()(const EndpointKey& key) const;
    };

    std::uint32_t id_of(const EndpointKey& key);
    Tracked& endpoint_of(const Transaction& transaction, bool counts);
    std::uint32_t add_endpoint(const EndpointKey& key);
    void keep(const Transaction& transaction, Tracked& endpoint);
    bool is_slow(Tracked& endpoint, std::uint64_t duration_ns) const;
    void close_second();
    void hand_over();

    const FeedLimits limits_;
    std::vector<std::unique_ptr<Tracked>> endpoints_;  // by id; 0 and 1 are the overflow of each side
    std::unordered_map<EndpointKey, std::uint32_t, KeyHash> ids_;
    std::vector<std::uint32_t> active_;  // with a transaction in this second
    std::string encoded_;
    Record record_;  // reused: a record is large
    HistoryBatch filling_;
    std::uint64_t second_ = 0;
    std::uint64_t hand_over_at_ns_ = 0;
    std::uint64_t searched_s_ = 0;  // the last second in which a resting endpoint was looked for
    std::uint64_t number_ = 0;
    std::array<std::uint32_t, kept_as_count> kept_{};  // in this second
    std::atomic<std::uint64_t> overflowed_{0}, not_kept_{0}, late_{0};

    std::mutex mutex_;  // of ready_ and is_ready_; held for a swap only
    std::condition_variable ready_changed_;
    HistoryBatch ready_;
    bool is_ready_ = false;
    bool woken_ = false;
};

}  // namespace sonde
