#include <sys/socket.h>

#include <algorithm>

#include "agent/pipeline/http1_exchange.hpp"
#include "agent/pipeline/phases.hpp"
#include "agent/pipeline/span_id.hpp"

namespace sonde {

// c.last_read is the event already.
void Http1Exchange::on(Connection& c, const SocketRead& event) {
    if (c.side == Side::client) {
        for (auto& request : c.pending) request.read = event.thread;  // the thread that reads is the client
        return;
    }
    bool shares = false;
    for (auto& request : c.pending) {
        if (request.has_read || !seq_before(request.start_seq, event.copied_seq)) continue;
        assign_read(c, request, shares);
        shares = true;
    }
}

void Http1Exchange::assign_read(Connection& c, PendingRequest& request, bool shares) {
    request.has_read = true;
    request.shares_read = shares;
    request.read_ns = c.last_read.time_ns;
    request.arrival_known = !c.last_read.no_arrival;
    request.read = c.last_read.thread;
    request.reads_on_thread = c.last_reads_on_thread;
    if (c.side == Side::server) sole_threads_.served(request.read.pid, request.read.tid);
    if (observer_ != nullptr && c.side == Side::server)
        observer_->request_read({request.transaction, c.remote, c.local, request.read.pid, request.read.tid,
                                 c.last_read.strand, request.read_ns});
}

// The thread that sends is the client. What had to wait leaves in the context of whoever runs then: where the
// connection has been read by another process, nobody is known.
void Http1Exchange::tell_sent(Connection& c, PendingRequest& request, const ThreadClock& by) {
    request.read = by;
    if (observer_ == nullptr || c.side != Side::client) return;
    const bool doubtful = c.has_read && c.last_read.thread.pid != by.pid;
    observer_->request_sent({request.transaction, c.local, c.remote, doubtful ? 0 : by.pid, by.tid, request.first_ns});
}

void Http1Exchange::drop_pending(Connection& c) {
    if (observer_ != nullptr)
        for (auto& request : c.pending) observer_->request_dropped(request.transaction.trace.span_id);
    c.pending.clear();
}

void Http1Exchange::take_request(Connection& c, const RequestHead& head, const Head& event) {
    drop_lost_responses(c, event.ack);
    if (c.pending.size() >= limits_.max_pipelined) return make_unreadable(c);
    auto& request = c.pending.add(pool_);
    auto& t = request.transaction;
    t.cookie = event.cookie;
    t.side = c.side;
    t.tls = c.tls;
    t.protocol = head.minor_version == 0 ? Protocol::http1_0 : Protocol::http1_1;
    t.method.assign(head.method);
    t.path.assign(head.path);
    t.host.assign(head.host.empty() ? head.authority : head.host);
    t.user_agent.assign(head.user_agent);
    t.trace = trace_context(head.trace);
    request.first_ns = c.requests.first_ns;
    request.last_ns = event.time_ns;
    request.start_seq = c.requests.start;
    request.ack = event.ack;
    t.client_ip = c.client_of(head.forwarded, trusted_proxies_, head.state == ParseState::done);
    t.trace.span_id = span_id_of(t.cookie, request.start_seq, request.first_ns);
    request.ambiguous = c.has_gap && event.ack == c.gap_ack;
    request.is_connect_or_upgrade = head.method == "CONNECT" || head.upgrade;
    if (event.outgoing)
        tell_sent(c, request, event.thread);
    else if (c.has_read && seq_before(request.start_seq, c.last_read.copied_seq))
        assign_read(c, request, c.pending.size() > 1);
}

// The request of the peer's head acknowledges everything before response_position. A pending request whose
// response was to begin before that and was never seen has lost it.
void Http1Exchange::drop_lost_responses(Connection& c, std::uint32_t response_position) {
    while (!c.pending.empty()) {
        auto& front = c.pending.front();
        if (front.response_seen) {
            // a response of unknown length: the next request ends it
            if (c.responses.state == MessageStream::State::idle || c.responses.end_known) return;
            const auto end = static_cast<std::uint32_t>(c.responses.start + c.responses.received);
            if (seq_before(response_position, end)) return;  // sent before that response was over: pipelined
            end_response(c);
            continue;
        }
        if (!seq_before(front.ack, response_position)) return;
        bump(stats_.lost_responses);
        deliver_front(c, Outcome::unobserved);
    }
}

// Pairs the response with its request. False: nothing can be made of it.
bool Http1Exchange::take_response(Connection& c, const ResponseHead& head, const Head& event) {
    auto& stream = c.responses;
    // a later request that expected its response here proves that the earlier one's was lost
    while (c.pending.size() > 1 && !c.pending[0].response_seen && seq_before(c.pending[0].ack, c.pending[1].ack) &&
           !seq_before(stream.start, c.pending[1].ack)) {
        bump(stats_.lost_responses);
        deliver_front(c, Outcome::unobserved);
    }
    while (!c.pending.empty() && c.pending.front().ambiguous) {
        bump(stats_.lost_responses);
        deliver_front(c, Outcome::unobserved);
    }
    // … and one that begins before the first request expected its own belongs to a request that was not seen
    if (c.pending.empty() || (!c.pending.front().response_seen && seq_before(stream.start, c.pending.front().ack))) {
        bump(stats_.unmatched_responses);
        stream.close();
        return false;
    }
    if (head.status == 101 && head.upgrade_h2c) {
        c.state = Connection::State::switching;  // the response to this request comes as frames
        stream.close();
        return false;
    }
    c.switches_to_websocket = head.status == 101 && head.websocket;
    auto& request = c.pending.front();
    auto framing = response_framing(request.transaction.method, head);
    stream.head_done(stream.head_cut ? 0 : head.consumed, framing, head.content_length.value_or(0));
    if (stream.head_cut) stream.end_known = false;
    if (head.status >= 100 && head.status < 200 && head.status != 101) return true;  // interim: the final one follows
    if (!request.response_seen) {
        request.response_seen = true;
        request.response_first_ns = stream.first_ns;
        request.transaction.status = static_cast<std::uint16_t>(head.status);
        if (event.outgoing) {
            request.responded = event.thread;
            // An answer counts as well: an event loop reads two requests, then serves both, and the second one's clock
            // would hold the first one's work.
            request.reads_on_thread_at_end = reads_.of(event.thread.tid)++;
            // what had to wait leaves in the context of whoever runs then: another process tells nothing of this one
            if (c.side == Side::server && event.thread.pid == request.read.pid) {
                sole_threads_.served(event.thread.pid, event.thread.tid);
                request.on_sole_thread = sole_threads_.is_sole(event.thread.pid, event.thread.tid);
            }
            if (observer_ != nullptr && c.side == Side::server)
                observer_->response_began(request.transaction, event.thread, request.response_first_ns);
        }
    }
    if (framing == BodyFraming::tunnel) {
        stream.end = stream.head_bytes;
        stream.end_known = true;
    }
    return true;
}

void Http1Exchange::end_request(Connection& c) {
    auto& stream = c.requests;
    const auto bytes = stream.end_known ? stream.end : stream.received;
    if (!c.pending.empty() && !c.pending.back().request_complete) {
        auto& request = c.pending.back();
        request.request_complete = true;
        request.transaction.request_bytes = bytes;
        if (!stream.head_cut)
            request.transaction.request_body_bytes = static_cast<std::int64_t>(bytes - stream.head_bytes);
    }
    stream.close();
}

void Http1Exchange::end_response(Connection& c) {
    auto& stream = c.responses;
    const auto bytes = stream.end_known ? stream.end : stream.received;
    stream.close();
    if (c.pending.empty()) return;
    auto& request = c.pending.front();
    if (!request.response_seen) return;  // interim
    auto& t = request.transaction;
    t.response_bytes = bytes;
    if (!stream.head_cut) t.response_body_bytes = static_cast<std::int64_t>(bytes - stream.head_bytes);
    const bool tunnel = stream.framing == BodyFraming::tunnel;
    if (tunnel && c.switches_to_websocket) return begin_websocket(c);
    deliver_front(c, t.status >= 500 ? Outcome::error : Outcome::ok);
    if (tunnel) {
        bump(stats_.tunnels);
        c.state = Connection::State::tunnel;
        drop_pending(c);
    }
}

// The answer of the upgrade is over: what follows is one exchange until the connection ends.
void Http1Exchange::begin_websocket(Connection& c) {
    auto& request = c.pending.front();
    fill_transaction(c, request, Outcome::ok);
    const bool who = request.has_read || c.side == Side::client;
    c.websocket = std::make_unique<WebSocketSession>(request.transaction, request.first_ns, who ? request.read.pid : 0);
    c.state = Connection::State::websocket;
    c.pending.clear();
    if (websockets_ != nullptr) websockets_->opened(*c.websocket);
}

void Http1Exchange::on(Connection& c, const ConnClose& event) {
    auto& stream = c.responses;
    // the peer left, unless the server closed in order without an answer: then it broke the protocol
    const bool server_left = c.side == Side::server && event.error == 0 && !c.request_fin;
    const auto outcome = server_left ? Outcome::error : Outcome::aborted;
    if (stream.state == MessageStream::State::body && !c.pending.empty() && c.pending.front().response_seen) {
        // a Unix socket has no FIN: its end in order is the response's
        const bool in_order = c.local.family == AF_UNIX && event.error == 0;
        const bool whole = !stream.end_known && (stream.head_cut || stream.likely_end ||
                                                 (in_order && stream.framing == BodyFraming::until_close));
        if (whole || stream.complete()) {
            end_response(c);
        } else {
            auto& t = c.pending.front().transaction;
            t.response_bytes = stream.received;
            if (!stream.head_cut)
                t.response_body_bytes = static_cast<std::int64_t>(stream.received - stream.head_bytes);
            deliver_front(c, outcome);
        }
    }
    while (!c.pending.empty()) deliver_front(c, outcome);
}

void Http1Exchange::tick(Connection& c, std::uint64_t now_ns) {
    auto& stream = c.responses;
    if (stream.state != MessageStream::State::body || stream.end_known) return;
    if (!stream.head_cut && !stream.likely_end) return;
    if (now_ns > stream.last_ns + limits_.quiet_ns) end_response(c);
}

void Http1Exchange::finish(Connection& c) {
    const auto& stream = c.responses;
    if (stream.state == MessageStream::State::body && !stream.end_known && (stream.head_cut || stream.likely_end))
        end_response(c);
}

void Http1Exchange::make_unreadable(Connection& c) {
    bump(stats_.unreadable_connections);
    c.state = Connection::State::unreadable;
    drop_pending(c);
    c.requests.close();
    c.responses.close();
}

void Http1Exchange::deliver_front(Connection& c, Outcome outcome) {
    auto& request = c.pending.front();
    fill_transaction(c, request, outcome);
    const bool who = request.has_read || c.side == Side::client;
    deliver_(request.transaction, who ? request.read.pid : 0);
    c.pending.pop_front(pool_);
}

void Http1Exchange::fill_transaction(Connection& c, PendingRequest& request, Outcome outcome) {
    auto& t = request.transaction;
    if (!request.request_complete) {
        // the response came first, or the body is still on its way: what has arrived so far
        auto& stream = c.requests;
        if (c.pending.size() == 1) {
            t.request_bytes = stream.received;
            if (stream.state == MessageStream::State::body && stream.likely_end)
                t.request_body_bytes = static_cast<std::int64_t>(stream.received - stream.head_bytes);
        }
    }
    t.outcome = outcome;
    t.time_ns = request.first_ns + static_cast<std::uint64_t>(realtime_offset_ns_);
    const auto last_ns =
        request.response_seen ? std::max(c.responses.last_ns, request.response_first_ns) : request.last_ns;
    t.duration_ns = last_ns - std::min(last_ns, request.first_ns);
    set_phases(c.side, last_ns, request);
    if (c.endpoints_known) {
        t.server = c.side == Side::server ? c.local : c.remote;
        t.client = c.side == Side::server ? c.remote : c.local;
    }
    const bool who = request.has_read || c.side == Side::client;
    t.tid = who ? request.read.tid : 0;
}

}  // namespace sonde
