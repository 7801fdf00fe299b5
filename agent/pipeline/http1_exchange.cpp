#include "agent/pipeline/http1_exchange.hpp"

#include <algorithm>

namespace sonde {
namespace {

constexpr std::size_t held_max = 16;  // segments behind a gap, per connection

Progress passed_by(const Head& event) {
    Progress passed;
    passed.cookie = event.cookie;
    passed.time_ns = event.time_ns;
    passed.outgoing = event.outgoing;
    passed.tcp_flags = event.tcp_flags;
    passed.seq = event.seq;
    passed.length = event.length;
    passed.tail = event.tail;
    return passed;
}

}  // namespace

void Http1Exchange::hold(Connection& c, HeldSegment segment) {
    if (!c.held) c.held = std::make_unique<std::vector<HeldSegment>>();
    if (c.held->size() < held_max) c.held->push_back(std::move(segment));
}

void Http1Exchange::on(Connection& c, const Head& event) {
    if (event.early) return hold(c, {event, {event.bytes.begin(), event.bytes.end()}, {}});
    take(c, event);
    release_held(c, event.outgoing, event.seq + event.length);
}

void Http1Exchange::on(Connection& c, const Progress& event) {
    if (event.early) return hold(c, {{}, {}, event});
    take(c, event);
    release_held(c, event.outgoing, event.seq + event.length);
}

// The gap in front of a segment that came early has been filled up to `position`: now it counts.
void Http1Exchange::release_held(Connection& c, bool outgoing, std::uint32_t position) {
    while (c.held && !c.held->empty()) {
        const auto due = std::find_if(c.held->begin(), c.held->end(), [&](const HeldSegment& held) {
            return held.outgoing() == outgoing && !seq_before(position, held.seq());
        });
        if (due == c.held->end()) return;
        auto held = std::move(*due);
        c.held->erase(due);
        position = held.seq() + held.length();
        if (held.is_head()) {
            held.head.bytes = held.bytes;
            take(c, held.head);
        } else {
            take(c, held.progress);
        }
        if (c.state != Connection::State::http1) return;
    }
}

void Http1Exchange::take(Connection& c, const Progress& event) {
    const bool is_request = event.outgoing == (c.side == Side::client);
    auto& stream = is_request ? c.requests : c.responses;
    if ((event.tcp_flags & SONDE_TCP_FIN) != 0) (is_request ? c.request_fin : c.response_fin) = true;
    // a head whose end the kernel did not capture goes on
    if (stream.state == MessageStream::State::head && event.length > 0) {
        Head rest;
        rest.cookie = event.cookie;
        rest.time_ns = event.time_ns;
        rest.is_request = is_request;
        finish_cut_head(c, stream, rest);
    }
    advance(c, stream, event);
    if (event.length > 0 && stream.state == MessageStream::State::idle)
        note_unseen(c, stream, event.seq + event.length);
}

// Bytes up to `position` have passed of which nothing was captured. Behind the end of the last message they are
// messages that nobody saw: what waits for a response can no longer be paired by order.
void Http1Exchange::note_unseen(Connection& c, const MessageStream& stream, std::uint32_t position) {
    if (!stream.has_ended || !seq_before(static_cast<std::uint32_t>(stream.start + stream.end), position)) return;
    if (c.pending.empty()) return;
    bump(stats_.unseen_pipelined);
    c.has_gap = true;
    c.gap_ack = c.pending.back().ack;
    // what was asked before the unseen requests is answered before them
    if (&stream == &c.requests) return;
    for (auto& request : c.pending) request.ambiguous = seq_before(request.ack, position);
}

void Http1Exchange::Piece::skip_to(std::uint32_t position) {
    const std::uint32_t skip = position - seq;
    bytes = bytes.subspan(std::min<std::size_t>(skip, bytes.size()));
    seq = position;
}

void Http1Exchange::take(Connection& c, const Head& event) {
    auto& stream = event.is_request ? c.requests : c.responses;
    if ((event.tcp_flags & SONDE_TCP_FIN) != 0) (event.is_request ? c.request_fin : c.response_fin) = true;
    Piece piece{event, event.bytes, event.seq};
    if (stream.state == MessageStream::State::head &&
        event.seq != stream.start + static_cast<std::uint32_t>(stream.head().size()))
        finish_cut_head(c, stream, event);
    while (!piece.bytes.empty() && c.state == Connection::State::http1) {
        const auto next =
            stream.state == MessageStream::State::body ? take_body(c, stream, piece) : take_message(c, stream, piece);
        if (next == Next::done) return;
    }
}

// The bytes begin inside a body; a head, if any, begins where that ends.
Http1Exchange::Next Http1Exchange::take_body(Connection& c, MessageStream& stream, Piece& piece) {
    stream.walk_bytes(piece.seq, piece.bytes);
    if (!stream.end_known) settle_unknown_end(c, stream, piece.event);
    if (stream.state == MessageStream::State::idle) return Next::more;
    advance(c, stream, passed_by(piece.event));
    if (stream.state != MessageStream::State::idle) return Next::done;
    const auto end = static_cast<std::uint32_t>(stream.start + stream.end);
    if (seq_before(piece.seq, end)) piece.skip_to(end);
    return Next::more;
}

// A body that nobody follows any more, and bytes that may be the next message: they are only if what was seen last
// looked like the end, and nothing has come since.
void Http1Exchange::settle_unknown_end(Connection& c, MessageStream& stream, const Head& event) {
    if (stream.framing != BodyFraming::chunked || event.continued || stream.walk_known) return;
    if (sonde_walk_active(&stream.walk) != 0 || !stream.likely_end) return;
    if (event.seq != static_cast<std::uint32_t>(stream.start + stream.received)) return;
    const auto state =
        event.is_request ? parse_request_head(event.bytes, {}).state : parse_response_head(event.bytes, {}).state;
    if (state == ParseState::invalid) return;
    stream.end_at(stream.received);
    if (event.is_request)
        end_request(c);
    else
        end_response(c);
}

// The next bytes of the head were not captured: what there is of it must do, its framing is unknown.
void Http1Exchange::finish_cut_head(Connection& c, MessageStream& stream, const Head& event) {
    const std::span<const char> bytes(stream.head());
    stream.head_cut = true;
    if (event.is_request) {
        const auto head = parse_request_head(bytes, {.trace_headers = &trace_headers_});
        if (head.state != ParseState::need_more || head.method.empty()) return stream.close();
        stream.head_done(0, BodyFraming::until_close, 0);
        take_request(c, head, event);
    } else {
        const auto head = parse_response_head(bytes, {});
        if (head.state != ParseState::need_more || head.status == 0) return stream.close();
        if (!take_response(c, head, event)) stream.close();
    }
}

Http1Exchange::Next Http1Exchange::take_message(Connection& c, MessageStream& stream, Piece& piece) {
    const auto& event = piece.event;
    if (stream.state == MessageStream::State::idle) stream.begin(piece.seq, event.time_ns);
    const auto before = stream.head().size();
    const bool joined = before > 0;
    if (joined) stream.add_to_head(piece.bytes);
    const auto bytes = joined ? std::span<const char>(stream.head()) : piece.bytes;
    const bool cut = !event.more && event.bytes.size() < event.length;
    const auto wait_for_rest = [&] {
        if (!joined) stream.add_to_head(piece.bytes);
        stream.received = stream.head().size();
        stream.last_ns = event.time_ns;
        return Next::done;
    };
    if (event.is_request) {
        const auto head = parse_request_head(bytes, {.trace_headers = &trace_headers_});
        if (head.state == ParseState::invalid) return make_unreadable(c), Next::done;
        if (head.state == ParseState::need_more && !cut) return wait_for_rest();
        stream.head_cut = head.state == ParseState::need_more;
        stream.head_done(stream.head_cut ? 0 : head.consumed, request_framing(head), head.content_length.value_or(0));
        // only a turn, or silence, tells where a head ends that was not captured whole
        if (stream.head_cut) stream.end_known = false;
        take_request(c, head, event);
    } else {
        const auto head = parse_response_head(bytes, {});
        if (head.state == ParseState::invalid) return skip_stray(c, stream), Next::done;
        if (head.state == ParseState::need_more && !cut) return wait_for_rest();
        stream.head_cut = head.state == ParseState::need_more;
        if (!take_response(c, head, event)) return Next::done;
    }
    if (c.state != Connection::State::http1) return Next::done;
    stream.walk_bytes(piece.seq, piece.bytes);
    advance(c, stream, passed_by(event));
    if (stream.state != MessageStream::State::idle || stream.head_cut) return Next::done;
    const std::size_t used = stream.end - before;
    if (used >= piece.bytes.size()) {
        if (cut) note_unseen(c, stream, event.seq + event.length);
        return Next::done;
    }
    piece.skip_to(piece.seq + static_cast<std::uint32_t>(used));
    return Next::more;
}

// Bytes of a response where none can begin: of one that was on its way before the first request that was seen.
void Http1Exchange::skip_stray(Connection& c, MessageStream& stream) {
    stream.close();
    if (!c.stray) bump(stats_.unmatched_responses);
    c.stray = true;
}

// Bytes [seq, seq+length) have passed; ends the message when its boundary is among them.
void Http1Exchange::advance(Connection& c, MessageStream& stream, const Progress& passed) {
    if (stream.state == MessageStream::State::idle) return;
    const bool is_request = &stream == &c.requests;
    const auto end = stream.offset_of(passed.seq + passed.length);
    if (passed.length > 0 && end > static_cast<std::int64_t>(stream.received)) {
        stream.received = static_cast<std::uint64_t>(end);
        stream.last_ns = passed.time_ns;
        if (is_request && !c.pending.empty()) c.pending.back().last_ns = passed.time_ns;
    }
    if (stream.state != MessageStream::State::body) return;
    if (!stream.end_known && !stream.head_cut && stream.framing == BodyFraming::chunked) {
        stream.walk_known = passed.walked && passed.walk_start == stream.start + stream.head_bytes;
        if (stream.walk_known && passed.walk_ended) stream.end_at(static_cast<std::uint64_t>(end));
        stream.likely_end = !stream.walk_known && stream.received > stream.head_bytes &&
                            end == static_cast<std::int64_t>(stream.received) &&
                            ends_with_last_chunk(passed.tail, passed.length);
    }
    if (!stream.end_known && (passed.tcp_flags & SONDE_TCP_FIN) != 0 && !is_request) {
        // a chunked body that somebody followed until here has not ended
        const bool followed = stream.walk_known || sonde_walk_active(&stream.walk) != 0;
        if (stream.framing != BodyFraming::chunked || !followed) stream.end_at(stream.received);
    }
    if (!stream.complete()) return;
    if (is_request)
        end_request(c);
    else
        end_response(c);
}

}  // namespace sonde
