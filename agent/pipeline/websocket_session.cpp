#include "agent/pipeline/websocket_session.hpp"

#include <algorithm>

namespace sonde {
namespace {

// RFC 6455 §7.4.1
constexpr std::uint16_t normal_closure = 1000;
constexpr std::uint16_t going_away = 1001;
constexpr std::uint16_t no_status = 1005;

}  // namespace

WebSocketSession::Moved WebSocketSession::on(const WebSocketCounts& event) {
    auto& direction = directions_[event.outgoing ? 1 : 0];
    const bool newer = event.messages >= direction.counts.messages && event.bytes >= direction.counts.bytes;
    if (direction.seen && !newer) return {};  // two CPUs told at once: the later record may stand first
    const Moved moved{event.messages - direction.counts.messages, event.bytes - direction.counts.bytes};
    const bool was_final = direction.counts.is_final, was_lost = direction.counts.lost;
    direction.counts = event;
    direction.counts.is_final = was_final || event.is_final;
    direction.counts.lost = was_lost || event.lost;
    direction.seen = true;
    last_ns_ = std::max(last_ns_, event.time_ns);
    return moved;
}

Side WebSocketSession::sender(std::size_t direction) const {
    const bool by_us = direction == 1;
    return by_us == (transaction_.side == Side::server) ? Side::server : Side::client;
}

// Who sent the first Close; where there is none, the first FIN.
void WebSocketSession::set_closer() {
    auto& totals = transaction_.websocket;
    const auto earlier = [&](std::uint64_t WebSocketCounts::*time) {
        const auto received = directions_[0].counts.*time, sent = directions_[1].counts.*time;
        if (received == 0 && sent == 0) return false;
        const std::size_t first = received == 0 || (sent != 0 && sent < received) ? 1 : 0;
        totals.has_closer = true;
        totals.closed_by = sender(first);
        totals.close_code = directions_[first].counts.code;
        return true;
    };
    if (!earlier(&WebSocketCounts::closed_ns)) earlier(&WebSocketCounts::fin_ns);
}

Outcome WebSocketSession::outcome() const {
    switch (transaction_.websocket.close_code) {
        case 0:
            // no Close: it broke off, unless one may have passed unseen
            return std::any_of(directions_.begin(), directions_.end(),
                               [](const Direction& d) { return !d.seen || d.counts.lost || !d.counts.is_final; })
                       ? Outcome::unobserved
                       : Outcome::aborted;
        case normal_closure:
        case going_away:
        case no_status:
            return Outcome::ok;
        default:
            // what applications agree on among themselves is no error of the protocol (§7.4.2)
            return transaction_.websocket.close_code >= 3000 ? Outcome::ok : Outcome::error;
    }
}

Transaction& WebSocketSession::end(std::uint64_t now_ns) {
    auto& t = transaction_;
    for (std::size_t i = 0; i < directions_.size(); ++i) {
        const auto& direction = directions_[i];
        // a record that was lost may have held more
        if (!direction.seen || direction.counts.lost || !direction.counts.is_final) continue;
        t.websocket.messages[i] = static_cast<std::int64_t>(direction.counts.messages);
        t.websocket.bytes[i] = static_cast<std::int64_t>(direction.counts.bytes);
    }
    set_closer();
    t.outcome = outcome();
    const auto last_ns = std::max(now_ns, last_ns_);
    t.duration_ns = last_ns - first_ns_;
    return t;
}

}  // namespace sonde
