#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/model/event.hpp"
#include "agent/pipeline/connection.hpp"
#include "agent/pipeline/http1_exchange.hpp"
#include "agent/pipeline/http2_exchange.hpp"
#include "agent/pipeline/thread_reads.hpp"
#include "agent/pipeline/tracker_stats.hpp"

namespace sonde {

// Turns the records of each socket into transactions: keeps the table of connections and hands each record to the
// protocol its connection speaks. Owned by the pipeline thread. No allocation per event after warm-up.
class ConnectionTracker {
public:
    // Called for each finished transaction; route and service are not filled in yet. pid: who to ask for the process.
    using Deliver = Http1Exchange::Deliver;

    // websockets: who hears of them, outlives the tracker; null: nobody.
    ConnectionTracker(const TrackerLimits& limits, Deliver deliver, WebSocketEvents* websockets = nullptr);

    // Outlives the tracker; null: nobody.
    void set_observer(RequestObserver* observer) {
        http1_.set_observer(observer);
        http2_.set_observer(observer);
    }
    void set_realtime_offset_ns(std::int64_t offset_ns) { realtime_offset_ns_ = offset_ns; }
    // Whose word about the client counts in the requests from now on; at first those of this machine.
    void set_trusted_proxies(TrustedProxies trusted) { trusted_proxies_ = std::move(trusted); }
    // Which headers name traces and requests from now on.
    void set_trace_headers(const TraceHeaderNames& names) { trace_headers_ = names.in_lower_case(); }
    void on(const ConnOpen& event);
    void on(const ConnClose& event);
    void on(const Head& event);
    void on(const Progress& event);
    void on(const Http2Frames& event);
    void on(const SocketRead& event);
    void on(const WebSocketCounts& event);
    // What its threads did says nothing of the next program with its number.
    void process_ended(std::uint32_t pid) { sole_threads_.process_ended(pid); }
    // Ends responses whose length nobody told and that have been silent. now_ns: CLOCK_MONOTONIC of the records.
    void tick(std::uint64_t now_ns);
    // End of the source: what is finished but for its boundary is delivered, what is open is dropped.
    void finish();

    [[nodiscard]] const TrackerStats& stats() const { return stats_; }
    [[nodiscard]] const Http2Stats& http2_stats() const { return http2_stats_; }

private:
    using Table = std::unordered_map<std::uint64_t, Connection>;

    void close(Table::iterator at, const ConnClose& event);
    Connection& find(std::uint64_t cookie, std::uint64_t time_ns, bool is_server);
    void release(Table::iterator at);
    void end_websocket(Connection& c, std::uint64_t now_ns);
    void evict_old();

    const TrackerLimits limits_;
    std::int64_t realtime_offset_ns_ = 0;
    TrustedProxies trusted_proxies_ = TrustedProxies::local();
    TraceHeaderNames trace_headers_;
    ThreadReads reads_;
    SoleThreads sole_threads_;
    TrackerStats stats_;
    WebSocketEvents* const websockets_;
    Http2Stats http2_stats_;
    Http1Exchange http1_;
    Http2Exchange http2_;
    Table connections_;                    // after the exchanges: sessions deliver through theirs
    std::size_t evict_bucket_ = 0;         // where the last look for an old one ended
    std::vector<Table::node_type> spare_;  // recycled connections with their memory
};

}  // namespace sonde
