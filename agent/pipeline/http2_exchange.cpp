#include "agent/pipeline/http2_exchange.hpp"

namespace sonde {
namespace {

// The request that asked for the upgrade is stream 1, and half closed (RFC 7540 §3.2).
Http2Stream first_stream(const PendingRequest& upgrade) {
    Http2Stream stream;
    stream.id = 1;
    stream.transaction = upgrade.transaction;
    stream.transaction.status = 0;
    auto& request = stream.request;
    request.first_ns = upgrade.first_ns;
    request.last_ns = upgrade.last_ns;
    request.wire_bytes = upgrade.transaction.request_bytes;
    request.lossy = upgrade.transaction.request_body_bytes < 0;
    request.body_bytes = request.lossy ? 0 : static_cast<std::uint64_t>(upgrade.transaction.request_body_bytes);
    request.has_head = true;
    request.ended = true;
    stream.start_seq = upgrade.start_seq;
    stream.has_read = upgrade.has_read;
    stream.read_ns = upgrade.read_ns;
    stream.arrival_known = upgrade.arrival_known;
    stream.thread = upgrade.read;
    return stream;
}

}  // namespace

void Http2Exchange::begin(Connection& c) {
    Http2Limits limits;
    limits.quiet_ns = limits_.quiet_ns;
    limits.trace_headers = &trace_headers_;
    auto deliver = [this, &c](Transaction& t, std::uint32_t pid) {
        t.tls = c.tls;
        t.time_ns += static_cast<std::uint64_t>(realtime_offset_ns_);
        if (c.endpoints_known) {
            t.server = c.side == Side::server ? c.local : c.remote;
            t.client = c.side == Side::server ? c.remote : c.local;
        }
        deliver_(t, pid);
    };
    c.http2 = std::make_unique<Http2Session>(c.side, limits, stats_, std::move(deliver),
                                             [this, &c](const ForwardedHeaders& forwarded, bool whole_head) {
                                                 return c.client_of(forwarded, trusted_proxies_, whole_head);
                                             });
    if (observer_ != nullptr) {
        c.http2->set_observer(observer_, c.local, c.remote);
        for (std::size_t i = 1; i < c.pending.size(); ++i)
            observer_->request_dropped(c.pending[i].transaction.trace.span_id);
    }
    if (c.has_read) c.http2->on(c.last_read);
    if (!c.pending.empty()) c.http2->adopt(first_stream(c.pending.front()));
    c.pending.clear();
    c.state = Connection::State::http2;
}

void Http2Exchange::on(Connection& c, const Http2Frames& event) {
    if (c.state != Connection::State::http2) begin(c);
    c.http2->on(event);
}

void Http2Exchange::on(Connection& c, const SocketRead& event) { c.http2->on(event); }

void Http2Exchange::on(Connection& c, const ConnClose&) { c.http2->on_close(); }

void Http2Exchange::tick(Connection& c, std::uint64_t now_ns) { c.http2->tick(now_ns); }

}  // namespace sonde
