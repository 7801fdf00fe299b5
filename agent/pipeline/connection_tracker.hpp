#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/model/event.hpp"
#include "agent/pipeline/connection.hpp"

namespace sonde {

struct TrackerLimits {
    std::size_t max_connections = 32768;
    std::size_t max_pipelined = 1024;                       // requests without a response on one connection
    std::uint64_t quiet_ns = std::uint64_t{2'000'000'000};  // a response of unknown length ends after this silence
};

// Number of things over the tracker's life; single writer, readable from any thread.
struct TrackerStats {
    std::atomic<std::uint64_t> connections{0};             // now in the table
    std::atomic<std::uint64_t> evicted_connections{0};     // the table was full
    std::atomic<std::uint64_t> unreadable_connections{0};  // began like HTTP/1 and was not
    std::atomic<std::uint64_t> tunnels{0};                 // CONNECT and Upgrade
    std::atomic<std::uint64_t> unmatched_responses{0};     // joined in the middle, or the request was lost
    std::atomic<std::uint64_t> lost_responses{0};          // the request stands with status unobserved
    std::atomic<std::uint64_t> unseen_pipelined{0};        // requests behind what the kernel captured of a segment
};

// Turns the records of each socket into transactions: message boundaries by sequence number, pairing in order
// (RFC 9112 §9.3.2), times and phases. Owned by the pipeline thread. No allocation per event after warm-up.
class ConnectionTracker {
public:
    // Called for each finished transaction; route and service are not filled in yet. pid: who to ask for the process.
    using Deliver = std::function<void(Transaction&, std::uint32_t pid)>;

    ConnectionTracker(const TrackerLimits& limits, Deliver deliver);

    void set_realtime_offset_ns(std::int64_t offset_ns) { realtime_offset_ns_ = offset_ns; }
    void on(const ConnOpen& event);
    void on(const ConnClose& event);
    void on(const Head& event);
    void on(const Progress& event);
    void on(const SocketRead& event);
    // Ends responses whose length nobody told and that have been silent. now_ns: CLOCK_MONOTONIC of the records.
    void tick(std::uint64_t now_ns);
    // End of the source: what is finished but for its boundary is delivered, what is open is dropped.
    void finish();

    [[nodiscard]] const TrackerStats& stats() const { return stats_; }

private:
    using Table = std::unordered_map<std::uint64_t, std::unique_ptr<Connection>>;

    Connection& find(std::uint64_t cookie, std::uint64_t time_ns, bool is_server);
    void release(Table::iterator at);
    void evict_oldest();

    void on_request(Connection& c, const Head& event);
    void on_response(Connection& c, const Head& event);
    void take_request(Connection& c, const RequestHead& head, const Head& event);
    bool take_response(Connection& c, const ResponseHead& head, const Head& event);
    void advance(Connection& c, MessageStream& stream, bool is_request, std::uint32_t seq, std::uint32_t length,
                 std::uint64_t time_ns, std::uint8_t tcp_flags,
                 const std::array<unsigned char, SONDE_TAIL_BYTES>& tail);
    void end_request(Connection& c);
    void end_response(Connection& c);
    void drop_lost_responses(Connection& c, std::uint32_t response_position);
    void assign_read(Connection& c, PendingRequest& request, bool shares);
    void deliver_front(Connection& c, Outcome outcome);
    void set_phases(const Connection& c, PendingRequest& request);
    void make_unreadable(Connection& c);

    std::uint32_t& reads_on_thread(std::uint32_t tid) { return reads_on_thread_[tid % reads_on_thread_.size()]; }

    const TrackerLimits limits_;
    const Deliver deliver_;
    std::int64_t realtime_offset_ns_ = 0;
    Table connections_;
    std::vector<Table::node_type> spare_;  // recycled connections with their memory
    // Request reads per thread. Threads that share a slot make a CPU time unobserved, never wrong.
    std::array<std::uint32_t, 65536> reads_on_thread_{};
    TrackerStats stats_;
};

}  // namespace sonde
