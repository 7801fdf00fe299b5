#include "agent/pipeline/http2_session.hpp"

#include <algorithm>

#include "agent/protocol/grpc.hpp"

namespace sonde {
namespace {

// error codes (RFC 9113 §7)
constexpr std::uint32_t no_error = 0;
constexpr std::uint32_t cancel = 8;

bool seq_before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// What a stream that ran to its end says of itself.
Outcome natural_outcome(const Transaction& t) {
    if (t.status == 0) return Outcome::unobserved;
    if (t.status >= 500) return Outcome::error;
    if (!t.grpc) return Outcome::ok;
    // a gRPC answer is 200, whatever became of the call
    return t.status == 200 ? grpc_outcome(t.grpc_status) : Outcome::error;
}

}  // namespace

Http2Session::Http2Session(Side side, const Http2Limits& limits, Http2Stats& stats, Deliver deliver, ClientOf client_of)
    : side_(side), limits_(limits), stats_(stats), deliver_(std::move(deliver)), client_of_(std::move(client_of)) {
    bump(stats_.connections);
}

void Http2Session::on(const Http2Frames& event) {
    const bool is_request = event.outgoing == (side_ == Side::client);
    (is_request ? requests_ : responses_).read(event);
}

void Http2Session::on(const SocketRead& event) {
    has_read_ = true;
    last_read_ = event;
    for (auto& open : open_) {
        auto& stream = *open.stream;
        if (side_ == Side::client)
            stream.thread = event.thread;  // the thread that reads is the client
        else if (!stream.has_read && seq_before(stream.start_seq, event.copied_seq))
            assign_read(stream, event);
    }
}

void Http2Session::assign_read(Http2Stream& stream, const SocketRead& event) {
    stream.has_read = true;
    stream.read_ns = event.time_ns;
    stream.arrival_known = !event.no_arrival;
    stream.thread = event.thread;
    if (observer_ != nullptr)
        observer_->request_read(
            {stream.transaction, *remote_, *local_, event.thread.pid, event.thread.tid, event.strand, event.time_ns});
}

// As in Http1Exchange::tell_sent.
void Http2Session::tell_sent(Http2Stream& stream, const ThreadClock& by, std::uint64_t first_ns) {
    stream.thread = by;
    if (observer_ == nullptr) return;
    const bool doubtful = has_read_ && last_read_.thread.pid != by.pid;
    observer_->request_sent({stream.transaction, *local_, *remote_, doubtful ? 0 : by.pid, by.tid, first_ns});
}

void Http2Session::drop() {
    if (observer_ == nullptr) return;
    for (const auto& open : open_) observer_->request_dropped(open.stream->transaction.trace.span_id);
}

void Http2Session::on_close() {
    requests_.give_up_hole();
    responses_.give_up_hole();
    while (!open_.empty()) {
        auto& stream = *open_.front().stream;
        finish(stream, stream.response.ended   ? natural_outcome(stream.transaction)
                       : stream.response.lossy ? Outcome::unobserved
                                               : Outcome::aborted);
    }
}

void Http2Session::adopt(const Http2Stream& stream) { open(stream.id) = stream; }

// A stream that missed frames may have missed its end; one whose response is over may never see the request's rest.
void Http2Session::tick(std::uint64_t now_ns) {
    for (std::size_t i = 0; i < open_.size();) {
        auto& stream = *open_[i].stream;
        const auto last_ns = std::max(stream.request.last_ns, stream.response.last_ns);
        const bool endless = stream.response.ended || stream.request.lossy || stream.response.lossy;
        if (endless && now_ns > last_ns + limits_.quiet_ns)
            finish(stream, stream.response.ended ? natural_outcome(stream.transaction) : Outcome::unobserved);
        else
            ++i;
    }
}

Http2Stream* Http2Session::find(std::uint32_t id) {
    const auto at = std::lower_bound(open_.begin(), open_.end(), id,
                                     [](const Open& open, std::uint32_t wanted) { return open.id < wanted; });
    return at != open_.end() && at->id == id ? at->stream.get() : nullptr;
}

// id is larger than that of any stream before.
Http2Stream& Http2Session::open(std::uint32_t id) {
    if (open_.size() >= limits_.max_streams) {
        bump(stats_.evicted_streams);
        finish(*open_.front().stream, Outcome::unobserved);
    }
    std::unique_ptr<Http2Stream> stream;
    if (spare_.empty()) {
        stream = std::make_unique<Http2Stream>();
    } else {
        stream = std::move(spare_.back());
        spare_.pop_back();
        *stream = Http2Stream{};
    }
    stream->id = newest_stream_ = id;
    open_.push_back({id, std::move(stream)});
    return *open_.back().stream;
}

void Http2Session::finish_if_ended(Http2Stream& stream) {
    if (stream.request.ended && stream.response.ended) finish(stream, natural_outcome(stream.transaction));
}

void Http2Session::on_reset(std::uint32_t id, std::uint32_t error, bool by_client) {
    auto* stream = find(id);
    if (stream == nullptr) return;
    if (stream->response.ended)  // nobody wants the rest of the request
        finish(*stream, natural_outcome(stream->transaction));
    else if (by_client && (error == cancel || error == no_error))
        finish(*stream, Outcome::aborted);
    else
        finish(*stream, Outcome::error);
}

// The server has not acted on streams above last_stream, and will not (RFC 9113 §6.8).
void Http2Session::on_goaway(std::uint32_t last_stream) {
    while (!open_.empty() && open_.back().id > last_stream) finish(*open_.back().stream, Outcome::error);
}

void Http2Session::finish(Http2Stream& stream, Outcome outcome) {
    auto& t = stream.transaction;
    const auto& request = stream.request;
    const auto& response = stream.response;
    t.side = side_;
    t.protocol = Protocol::http2;
    t.outcome = outcome;
    t.time_ns = request.first_ns;
    const auto last_ns = response.first_ns != 0 ? response.last_ns : request.last_ns;
    t.duration_ns = last_ns - std::min(last_ns, request.first_ns);
    t.request_bytes = request.wire_bytes;
    t.response_bytes = response.wire_bytes;
    if (!request.lossy) t.request_body_bytes = static_cast<std::int64_t>(request.body_bytes);
    if (!response.lossy && response.has_head) t.response_body_bytes = static_cast<std::int64_t>(response.body_bytes);
    if (response.first_ns != 0)
        t.phase_ns[static_cast<std::size_t>(Phase::transfer)] =
            static_cast<std::int64_t>(response.last_ns - response.first_ns);
    if (stream.has_read && stream.arrival_known)
        t.phase_ns[static_cast<std::size_t>(Phase::queue)] =
            static_cast<std::int64_t>(stream.read_ns - std::min(stream.read_ns, request.first_ns));
    t.tid = stream.thread.tid;
    deliver_(t, stream.thread.pid);
    forget(stream);
}

void Http2Session::forget(Http2Stream& stream) {
    const auto at = std::lower_bound(open_.begin(), open_.end(), stream.id,
                                     [](const Open& open, std::uint32_t wanted) { return open.id < wanted; });
    spare_.push_back(std::move(at->stream));
    open_.erase(at);
}

}  // namespace sonde
