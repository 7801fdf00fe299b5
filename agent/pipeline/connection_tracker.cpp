#include "agent/pipeline/connection_tracker.hpp"

#include <sys/socket.h>

#include <algorithm>

namespace sonde {
namespace {

constexpr std::size_t spare_max = 1024;

// A TLS library tells of what it wrote when its call returns. On a loopback the peer that has left answers such a write
// with a reset, and the socket is gone by then: the end comes before what preceded it.
constexpr std::uint64_t plaintext_late_ns = 250'000'000;

bool waits_for_response(const Connection& c) { return !c.pending.empty() || (c.http2 && c.http2->open_streams() > 0); }

}  // namespace

ConnectionTracker::ConnectionTracker(const TrackerLimits& limits, Deliver deliver, WebSocketEvents* websockets)
    : limits_(limits),
      websockets_(websockets),
      http1_(limits_, realtime_offset_ns_, trusted_proxies_, trace_headers_, stats_, reads_, sole_threads_, websockets_,
             deliver),
      http2_(limits_, realtime_offset_ns_, trusted_proxies_, trace_headers_, http2_stats_, std::move(deliver)) {
    spare_.reserve(spare_max);
}

Connection& ConnectionTracker::find(std::uint64_t cookie, std::uint64_t time_ns, bool is_server) {
    if (const auto at = connections_.find(cookie); at != connections_.end()) {
        at->second.last_event_ns = time_ns;
        return at->second;
    }
    if (connections_.size() >= limits_.max_connections) evict_old();
    Connection* made = nullptr;
    if (spare_.empty()) {
        made = &connections_[cookie];
    } else {
        auto node = std::move(spare_.back());
        spare_.pop_back();
        node.key() = cookie;
        made = &connections_.insert(std::move(node)).position->second;
    }
    stats_.connections.store(connections_.size(), std::memory_order_relaxed);
    made->side = is_server ? Side::server : Side::client;
    made->last_event_ns = time_ns;
    return *made;
}

void ConnectionTracker::release(Table::iterator at) {
    http1_.drop_pending(at->second);
    if (at->second.http2) at->second.http2->drop();
    auto node = connections_.extract(at);
    if (spare_.size() < spare_max) {
        node.mapped().recycle();
        spare_.push_back(std::move(node));
    }
    stats_.connections.store(connections_.size(), std::memory_order_relaxed);
}

// The oldest of a few that stand behind those of the last look: a full table costs no walk through all of it.
void ConnectionTracker::evict_old() {
    constexpr std::size_t candidates = 16;
    const auto buckets = connections_.bucket_count();
    std::uint64_t oldest = 0, oldest_ns = UINT64_MAX;
    std::size_t seen = 0;
    for (std::size_t i = 0; i < buckets && seen < candidates; ++i) {
        evict_bucket_ = (evict_bucket_ + 1) % buckets;
        for (auto at = connections_.begin(evict_bucket_); at != connections_.end(evict_bucket_); ++at, ++seen)
            if (at->second.last_event_ns < oldest_ns) oldest = at->first, oldest_ns = at->second.last_event_ns;
    }
    if (seen == 0) return;
    bump(stats_.evicted_connections);
    const auto at = connections_.find(oldest);
    end_websocket(at->second, 0);
    release(at);
}

void ConnectionTracker::on(const ConnOpen& event) {
    auto& c = find(event.cookie, event.time_ns, event.side == Side::server);
    if (event.side_known || !c.tls) c.side = event.side;
    c.local = event.local;
    c.remote = event.remote;
    c.endpoints_known = true;
}

void ConnectionTracker::on(const Head& event) {
    if (event.has_before) on(event.before);
    auto& c = find(event.cookie, event.time_ns, event.is_request != event.outgoing);
    if (event.tls && !c.tls) {
        // the socket may have been joined in the middle: the plaintext tells who asks
        c.tls = true;
        c.side = event.is_request == event.outgoing ? Side::client : Side::server;
    }
    if (event.no_endpoints) c.endpoints_known = false;
    if (c.state == Connection::State::http1) http1_.on(c, event);
}

void ConnectionTracker::on(const Progress& event) {
    const auto at = connections_.find(event.cookie);
    if (at == connections_.end()) return;
    auto& c = at->second;
    c.last_event_ns = event.time_ns;
    if (c.state == Connection::State::http1) http1_.on(c, event);
}

// Packets announce their connection first; frames of one that is not in the table come after its end, or its conn_open
// was lost. Plaintext of TLS says itself whose it is: its socket may not be known.
void ConnectionTracker::on(const Http2Frames& event) {
    if (!event.tls && !connections_.contains(event.cookie)) return bump(http2_stats_.orphan_records);
    auto& c = find(event.cookie, event.time_ns, event.side == Side::server);
    if (event.tls && !c.tls) {
        c.tls = true;
        c.side = event.side;
    }
    if (event.no_endpoints) c.endpoints_known = false;
    // the kernel took its upgrade for another one
    if (c.state == Connection::State::websocket) return bump(http2_stats_.orphan_records);
    http2_.on(c, event);
}

void ConnectionTracker::on(const WebSocketCounts& event) {
    const auto at = connections_.find(event.cookie);
    if (at == connections_.end()) return;
    auto& c = at->second;
    c.last_event_ns = event.time_ns;
    if (c.state != Connection::State::websocket) return;  // the kernel took something else for an upgrade
    const auto moved = c.websocket->on(event);
    if (websockets_ != nullptr) websockets_->moved(*c.websocket, event.outgoing, moved);
}

void ConnectionTracker::end_websocket(Connection& c, std::uint64_t now_ns) {
    if (c.state != Connection::State::websocket || websockets_ == nullptr) return;
    websockets_->closed(*c.websocket, c.websocket->end(now_ns));
}

void ConnectionTracker::on(const SocketRead& event) {
    const auto at = connections_.find(event.cookie);
    if (at == connections_.end()) return;
    auto& c = at->second;
    if (c.state == Connection::State::websocket) return;
    if (event.handshake) {  // other work of the thread, but no request
        if (c.side == Side::server) ++reads_.of(event.thread.tid);
        return;
    }
    c.has_read = true;
    c.last_read = event;
    if (c.side == Side::server) c.last_reads_on_thread = ++reads_.of(event.thread.tid);
    if (c.state == Connection::State::http2)
        http2_.on(c, event);
    else
        http1_.on(c, event);
}

void ConnectionTracker::on(const ConnClose& event) {
    const auto at = connections_.find(event.cookie);
    if (at == connections_.end()) return;
    auto& c = at->second;
    if (c.tls && !event.tls && waits_for_response(c)) {
        c.closing = true;
        c.close_error = event.error;
        c.last_event_ns = event.time_ns;
        return;
    }
    close(at, event);
}

void ConnectionTracker::close(Table::iterator at, const ConnClose& event) {
    auto& c = at->second;
    auto end = event;
    if (c.closing) end.error = c.close_error;
    if (c.state == Connection::State::http2)
        http2_.on(c, end);
    else if (c.state == Connection::State::http1 || c.state == Connection::State::switching)
        http1_.on(c, end);
    end_websocket(c, end.time_ns);
    release(at);
}

void ConnectionTracker::tick(std::uint64_t now_ns) {
    for (auto at = connections_.begin(); at != connections_.end();) {
        const auto here = at++;
        auto& c = here->second;
        if (c.closing && now_ns > c.last_event_ns + plaintext_late_ns) {
            close(here, {.cookie = here->first, .time_ns = c.last_event_ns});
            continue;
        }
        if (c.state == Connection::State::http1) http1_.tick(c, now_ns);
        if (c.state == Connection::State::http2) http2_.tick(c, now_ns);
        if (c.local.family == AF_UNIX && c.pending.empty() && now_ns > c.last_event_ns + limits_.silent_unix_ns) {
            end_websocket(c, 0);
            release(here);
        }
    }
}

void ConnectionTracker::finish() {
    for (auto at = connections_.begin(); at != connections_.end();) {
        const auto here = at++;
        if (here->second.closing) close(here, {.cookie = here->first, .time_ns = here->second.last_event_ns});
    }
    for (auto& [cookie, connection] : connections_)
        if (connection.state == Connection::State::http1)
            http1_.finish(connection);
        else
            end_websocket(connection, 0);  // of all of them nobody would hear otherwise
}

}  // namespace sonde
