#pragma once

#include <cstdint>
#include <functional>

#include "agent/model/event.hpp"
#include "agent/pipeline/connection.hpp"
#include "agent/pipeline/http2_session.hpp"
#include "agent/pipeline/tracker_stats.hpp"

namespace sonde {

// The HTTP/2 part of a connection: makes its session when the first frames come, and gives what the session delivers
// its addresses and its time of day. Holds no state of its own: that is in the Connection. Pipeline thread only.
class Http2Exchange {
public:
    using Deliver = std::function<void(Transaction&, std::uint32_t pid)>;

    // All references outlive the exchange and the connections. realtime_offset_ns: CLOCK_REALTIME − CLOCK_MONOTONIC.
    Http2Exchange(const TrackerLimits& limits, const std::int64_t& realtime_offset_ns,
                  const TrustedProxies& trusted_proxies, const TraceHeaderNames& trace_headers, Http2Stats& stats,
                  Deliver deliver)
        : limits_(limits),
          realtime_offset_ns_(realtime_offset_ns),
          trusted_proxies_(trusted_proxies),
          trace_headers_(trace_headers),
          stats_(stats),
          deliver_(std::move(deliver)) {}

    // Outlives the exchange and the connections; null: nobody.
    void set_observer(RequestObserver* observer) { observer_ = observer; }

    // Of a connection that is HTTP/2, or was HTTP/1 until these frames.
    void on(Connection& c, const Http2Frames& event);
    void on(Connection& c, const SocketRead& event);
    void on(Connection& c, const ConnClose& event);
    // Ends streams whose end cannot come any more. now_ns: CLOCK_MONOTONIC of the records.
    void tick(Connection& c, std::uint64_t now_ns);

private:
    void begin(Connection& c);

    const TrackerLimits& limits_;
    const std::int64_t& realtime_offset_ns_;
    const TrustedProxies& trusted_proxies_;
    const TraceHeaderNames& trace_headers_;
    Http2Stats& stats_;
    const Deliver deliver_;
    RequestObserver* observer_ = nullptr;
};

}  // namespace sonde
