#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/model/event.hpp"
#include "agent/pipeline/http2_session.hpp"
#include "agent/pipeline/message_stream.hpp"
#include "agent/pipeline/pending_requests.hpp"
#include "agent/pipeline/websocket_session.hpp"
#include "agent/protocol/forwarded.hpp"

namespace sonde {

// A record of a segment that arrived behind a gap, until the gap is filled.
struct HeldSegment {
    Head head;  // its bytes are in `bytes`
    std::string bytes;
    Progress progress;

    [[nodiscard]] bool is_head() const { return !bytes.empty(); }
    [[nodiscard]] bool outgoing() const { return is_head() ? head.outgoing : progress.outgoing; }
    [[nodiscard]] std::uint32_t seq() const { return is_head() ? head.seq : progress.seq; }
    [[nodiscard]] std::uint32_t length() const { return is_head() ? head.length : progress.length; }
};

// One connection as seen from one of its sockets.
struct Connection {
    // switching: its server has answered 101 for "h2c", frames follow
    enum class State : std::uint8_t { http1, tunnel, unreadable, switching, http2, websocket };

    // a machine has tens of thousands of these, most of them at rest: in the order that leaves no room in between
    State state = State::http1;
    bool endpoints_known = false;
    bool tls = false;
    Side side = Side::server;
    bool request_fin = false;  // who has closed its direction
    bool response_fin = false;
    bool has_gap = false;                // requests that expect their response at gap_ack are ambiguous
    bool stray = false;                  // bytes of a response were seen where none can begin
    bool has_read = false;               // last SocketRead, for heads that were not complete when it came
    bool switches_to_websocket = false;  // the answer that is under way is the upgrade's
    // The socket has gone, and plaintext may yet be told of: last_event_ns is when anything was.
    bool closing = false;
    int close_error = 0;  // with closing
    std::uint32_t gap_ack = 0;
    std::uint32_t last_reads_on_thread = 0;
    Endpoint local;
    Endpoint remote;
    std::uint64_t last_event_ns = 0;
    SocketRead last_read;
    MessageStream requests;
    MessageStream responses;
    PendingRequests pending;
    std::unique_ptr<std::vector<HeldSegment>> held;  // early segments; rare
    std::unique_ptr<Http2Session> http2;             // with State::http2
    std::unique_ptr<WebSocketSession> websocket;     // with State::websocket

    // Who asked, by a request's headers. whole_head: none of them is missing; otherwise what a trusted proxy said may
    // be, and then nobody knows. What a client sends about others is not about itself.
    [[nodiscard]] Endpoint client_of(const ForwardedHeaders& forwarded, const TrustedProxies& trusted,
                                     bool whole_head) const {
        if (!endpoints_known) return {};
        if (side == Side::client) return ForwardedHeaders{}.client(local, trusted);
        return whole_head || !trusted.contains(remote) ? forwarded.client(remote, trusted) : Endpoint{};
    }

    // Ready for another socket; keeps its memory.
    void recycle() {
        requests.recycle();
        responses.recycle();
        auto old_requests = std::move(requests), old_responses = std::move(responses);
        *this = Connection{};
        requests = std::move(old_requests);
        responses = std::move(old_responses);
    }
};

}  // namespace sonde
