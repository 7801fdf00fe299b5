#pragma once

#include <cstdint>
#include <functional>

#include "agent/model/event.hpp"
#include "agent/model/request_observer.hpp"
#include "agent/pipeline/connection.hpp"
#include "agent/pipeline/sole_threads.hpp"
#include "agent/pipeline/thread_reads.hpp"
#include "agent/pipeline/tracker_stats.hpp"
#include "agent/pipeline/websocket_events.hpp"
#include "agent/protocol/forwarded.hpp"

namespace sonde {

// The HTTP/1 part of a connection: message boundaries by sequence number (http1_exchange.cpp), pairing in order (RFC
// 9112 §9.3.2) and what becomes of it (http1_pairing.cpp). Its state is in the Connection.
// Pipeline thread only.
class Http1Exchange {
public:
    // Called for each finished transaction. pid: who to ask for the process, 0: not known.
    using Deliver = std::function<void(Transaction&, std::uint32_t pid)>;

    // All references outlive the exchange. realtime_offset_ns: CLOCK_REALTIME − CLOCK_MONOTONIC.
    Http1Exchange(const TrackerLimits& limits, const std::int64_t& realtime_offset_ns,
                  const TrustedProxies& trusted_proxies, const TraceHeaderNames& trace_headers, TrackerStats& stats,
                  ThreadReads& reads, SoleThreads& sole_threads, WebSocketEvents* websockets, Deliver deliver)
        : limits_(limits),
          realtime_offset_ns_(realtime_offset_ns),
          trusted_proxies_(trusted_proxies),
          trace_headers_(trace_headers),
          stats_(stats),
          reads_(reads),
          sole_threads_(sole_threads),
          websockets_(websockets),
          deliver_(std::move(deliver)) {}

    // Outlives the exchange; null: nobody.
    void set_observer(RequestObserver* observer) { observer_ = observer; }
    void on(Connection& c, const Head& event);
    void on(Connection& c, const Progress& event);
    void on(Connection& c, const SocketRead& event);
    void on(Connection& c, const ConnClose& event);
    // Ends what nobody told the length of and what has been silent. now_ns: CLOCK_MONOTONIC of the records.
    void tick(Connection& c, std::uint64_t now_ns);
    // The source ended.
    void finish(Connection& c);
    // Nothing will come of what is pending.
    void drop_pending(Connection& c);

private:
    void take(Connection& c, const Head& event);
    void take(Connection& c, const Progress& event);
    static void hold(Connection& c, HeldSegment segment);
    void release_held(Connection& c, bool outgoing, std::uint32_t position);

    // What a head record leaves to do after some of its bytes were taken.
    enum class Next : std::uint8_t { more, done };
    struct Piece {
        const Head& event;
        std::span<const char> bytes;
        std::uint32_t seq;
        void skip_to(std::uint32_t position);
    };
    Next take_body(Connection& c, MessageStream& stream, Piece& piece);
    Next take_message(Connection& c, MessageStream& stream, Piece& piece);
    void settle_unknown_end(Connection& c, MessageStream& stream, const Head& event);
    void finish_cut_head(Connection& c, MessageStream& stream, const Head& event);
    void note_unseen(Connection& c, const MessageStream& stream, std::uint32_t position);
    void skip_stray(Connection& c, MessageStream& stream);
    void advance(Connection& c, MessageStream& stream, const Progress& passed);

    void take_request(Connection& c, const RequestHead& head, const Head& event);
    [[nodiscard]] bool take_response(Connection& c, const ResponseHead& head, const Head& event);
    void end_request(Connection& c);
    void end_response(Connection& c);
    void drop_lost_responses(Connection& c, std::uint32_t response_position);
    void tell_sent(Connection& c, PendingRequest& request, const ThreadClock& by);
    void assign_read(Connection& c, PendingRequest& request, bool shares);
    void deliver_front(Connection& c, Outcome outcome);
    void fill_transaction(Connection& c, PendingRequest& request, Outcome outcome);
    void begin_websocket(Connection& c);
    void make_unreadable(Connection& c);

    const TrackerLimits& limits_;
    const std::int64_t& realtime_offset_ns_;
    const TrustedProxies& trusted_proxies_;
    const TraceHeaderNames& trace_headers_;
    TrackerStats& stats_;
    ThreadReads& reads_;
    SoleThreads& sole_threads_;
    WebSocketEvents* const websockets_;
    const Deliver deliver_;
    RequestObserver* observer_ = nullptr;
    PendingRequests::Pool pool_;
};

}  // namespace sonde
