#include <algorithm>
#include <charconv>

#include "agent/pipeline/http2_session.hpp"
#include "agent/pipeline/span_id.hpp"
#include "agent/protocol/grpc.hpp"

namespace sonde {
namespace {

constexpr std::size_t priority_bytes = 5;  // RFC 9113 §6.2
constexpr std::size_t promise_bytes = 4;   // RFC 9113 §6.6

bool seq_before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

std::uint32_t big_endian(std::string_view bytes) {
    std::uint32_t value = 0;
    for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

bool carries_block(std::uint8_t type) {
    return type == SONDE_HTTP2_HEADERS || type == SONDE_HTTP2_CONTINUATION || type == SONDE_HTTP2_PUSH_PROMISE;
}

Http2Piece piece_of(const Http2Frames& event) {
    Http2Piece piece;
    piece.seq = event.seq;
    piece.length = event.length;
    piece.left = event.left;
    piece.keep = event.keep;
    piece.carried = event.carried;
    piece.carry = event.carry;
    piece.bytes = event.bytes;
    return piece;
}

}  // namespace

void Http2Session::Direction::read(const Http2Frames& event) {
    if (!begun_) {
        begun_ = true;
        if (!event.starts) {
            bump(session_.stats_.joined_connections);
            inflater_.blocks_missed();
        }
    }
    if (event.lost) {
        held_.clear();
        reader_.lose(*this);
        return;
    }
    const auto fit = reader_.fit(piece_of(event));
    if (fit == Http2FrameReader::Fit::old) return;
    if (event.ahead && (!reader_.synced() || fit != Http2FrameReader::Fit::next)) return hold(event);
    if (fit != Http2FrameReader::Fit::next) held_.clear();  // a record was lost: what waited for it goes with it
    take(event);
    release_held();
}

void Http2Session::Direction::take(const Http2Frames& event) {
    session_.now_ = &event;
    if (event.carried == 0) header_first_ns_ = event.time_ns;
    reader_.read(piece_of(event), *this);
    session_.now_ = nullptr;
}

void Http2Session::Direction::hold(const Http2Frames& event) {
    if (!reader_.synced()) return;  // nothing to hold a guess to
    if (held_.size() >= session_.limits_.max_held) return give_up_hole();
    bump(session_.stats_.reordered_records);
    const auto at = std::upper_bound(held_.begin(), held_.end(), event.seq, [](std::uint32_t seq, const Held& held) {
        return seq_before(seq, held.event.seq);
    });
    held_.insert(at, {event, std::string(event.bytes.data(), event.bytes.size())});
}

void Http2Session::Direction::release_held() {
    while (!held_.empty()) {
        auto next = std::move(held_.front());
        next.event.bytes = next.bytes;
        const auto fit = reader_.fit(piece_of(next.event));
        if (fit == Http2FrameReader::Fit::ahead) {
            held_.front() = std::move(next);
            return;
        }
        if (fit == Http2FrameReader::Fit::other) return give_up_hole();  // the kernel guessed wrong
        held_.erase(held_.begin());
        if (fit == Http2FrameReader::Fit::next) take(next.event);
    }
}

void Http2Session::Direction::give_up_hole() {
    if (held_.empty()) return;
    held_.clear();
    reader_.lose(*this);
}

void Http2Session::Direction::on_gap() {
    bump(session_.stats_.gaps);
    inflater_.blocks_missed();
    in_block_ = false;
    for (auto& open : session_.open_) (is_request_ ? open.stream->request : open.stream->response).lossy = true;
}

void Http2Session::Direction::on_frame(const sonde_http2_header& header) {
    frame_first_ns_ = header_first_ns_;
    header_first_ns_ = session_.now_->time_ns;
    payload_.clear();
    if (carries_block(header.type)) return begin_block(header);
    in_block_ = false;  // nothing may stand between the frames of a block (RFC 9113 §4.3)
    if (header.type != SONDE_HTTP2_DATA) return;
    if (auto* stream = session_.find(header.stream)) {
        auto& half = is_request_ ? stream->request : stream->response;
        half.wire_bytes += SONDE_HTTP2_HEADER_BYTES;
        half.last_ns = std::max(half.last_ns, session_.now_->time_ns);
    }
}

void Http2Session::Direction::begin_block(const sonde_http2_header& header) {
    if (header.type == SONDE_HTTP2_CONTINUATION) {
        if (!in_block_ || block_stream_ != header.stream) {
            // its beginning was missed
            in_block_ = false;
            inflater_.blocks_missed();
            return;
        }
    } else {
        in_block_ = true;
        block_promises_ = header.type == SONDE_HTTP2_PUSH_PROMISE;
        block_ends_stream_ = !block_promises_ && (header.flags & SONDE_HTTP2_END_STREAM) != 0;
        block_stream_ = header.stream;
        block_seq_ = reader_.position() - SONDE_HTTP2_HEADER_BYTES;
        block_first_ns_ = frame_first_ns_;
        block_wire_bytes_ = 0;
        block_.clear();
    }
    block_frame_at_ = block_.size();
    block_wire_bytes_ += SONDE_HTTP2_HEADER_BYTES + header.length;
}

void Http2Session::Direction::on_kept(const sonde_http2_header& header, std::span<const char> bytes) {
    if (!carries_block(header.type)) {
        payload_.append(bytes.data(), bytes.size());
        return;
    }
    if (!in_block_) return;
    if (block_.size() + bytes.size() > session_.limits_.max_block_bytes) {
        bump(session_.stats_.unreadable_blocks);
        inflater_.blocks_missed();
        in_block_ = false;
        return;
    }
    block_.append(bytes.data(), bytes.size());
}

void Http2Session::Direction::on_payload(const sonde_http2_header& header, std::uint32_t count) {
    if (header.type != SONDE_HTTP2_DATA) return;
    auto* stream = session_.find(header.stream);
    if (stream == nullptr) return;
    auto& half = is_request_ ? stream->request : stream->response;
    half.wire_bytes += count;
    half.body_bytes += count;
    half.last_ns = std::max(half.last_ns, session_.now_->time_ns);
}

void Http2Session::Direction::on_frame_end(const sonde_http2_header& header) {
    switch (header.type) {
        case SONDE_HTTP2_HEADERS:
        case SONDE_HTTP2_PUSH_PROMISE:
        case SONDE_HTTP2_CONTINUATION:
            if (!in_block_) return;
            if (!strip_block(header)) {
                bump(session_.stats_.unreadable_blocks);
                inflater_.blocks_missed();
                in_block_ = false;
                return;
            }
            if ((header.flags & SONDE_HTTP2_END_HEADERS) != 0) end_block();
            return;
        case SONDE_HTTP2_DATA:
            return end_data(header);
        case SONDE_HTTP2_RST_STREAM:
            if (payload_.size() == 4) session_.on_reset(header.stream, big_endian(payload_), is_request_);
            return;
        case SONDE_HTTP2_GOAWAY:
            if (payload_.size() == 8 && !is_request_) session_.on_goaway(big_endian(payload_) & 0x7fffffffU);
            return;
        default:
            return;
    }
}

// Takes padding, priority and the promised stream off the frame's payload: what is left is header block (RFC 9113
// §6.2, §6.6). False: they do not fit.
bool Http2Session::Direction::strip_block(const sonde_http2_header& header) {
    if (header.type == SONDE_HTTP2_CONTINUATION) return true;
    std::size_t prefix = 0;
    std::size_t padding = 0;
    const auto size = block_.size() - block_frame_at_;
    if ((header.flags & SONDE_HTTP2_PADDED) != 0) {
        if (size == 0) return false;
        padding = static_cast<unsigned char>(block_[block_frame_at_]);
        prefix = 1;
    }
    if (header.type == SONDE_HTTP2_PUSH_PROMISE)
        prefix += promise_bytes;
    else if ((header.flags & SONDE_HTTP2_HAS_PRIORITY) != 0)
        prefix += priority_bytes;
    if (prefix + padding > size) return false;
    block_.resize(block_.size() - padding);
    block_.erase(block_frame_at_, prefix);
    return true;
}

// The stream that the block's fields belong to; none: it is not followed.
Http2Stream* Http2Session::Direction::target(bool& opens) {
    opens = false;
    if (block_promises_) {
        bump(session_.stats_.pushed_streams);
        return nullptr;
    }
    auto* stream = session_.find(block_stream_);
    const bool from_client = block_stream_ % 2 == 1;
    if (stream == nullptr && is_request_ && from_client && block_stream_ > session_.newest_stream_) {
        stream = &session_.open(block_stream_);
        opens = true;
    } else if (stream == nullptr && !is_request_ && from_client && block_stream_ > session_.newest_stream_) {
        bump(session_.stats_.unmatched_responses);
    }
    return stream;
}

void Http2Session::Direction::end_block() {
    in_block_ = false;
    bool opens = false;
    auto* stream = target(opens);
    if (!inflate(stream, opens)) return;
    auto& half = is_request_ ? stream->request : stream->response;
    if (half.first_ns == 0) half.first_ns = block_first_ns_;
    half.last_ns = std::max(half.last_ns, session_.now_->time_ns);
    half.wire_bytes += block_wire_bytes_;
    if (opens) {
        half.has_head = true;
        stream->start_seq = block_seq_;
        auto& t = stream->transaction;
        t.cookie = session_.now_->cookie;
        if (session_.client_of_) t.client_ip = session_.client_of_(forwarded_, !t.head_incomplete);
        t.trace = trace_context(trace_);
        t.trace.span_id = span_id_of(t.cookie, block_seq_, block_first_ns_);
        if (session_.side_ == Side::client)
            session_.tell_sent(*stream, session_.now_->thread, block_first_ns_);
        else if (session_.has_read_ && seq_before(block_seq_, session_.last_read_.copied_seq))
            session_.assign_read(*stream, session_.last_read_);
    }
    if (block_ends_stream_) {
        half.ended = true;
        session_.finish_if_ended(*stream);
    }
}

// False: there is no stream to go on with.
bool Http2Session::Direction::inflate(Http2Stream* stream, bool opens) {
    // the fields of trailers do not replace those of the head; grpc-status is what counts there
    fields_of_ = stream;
    status_ = 0;
    has_pseudo_field_ = false;
    trace_ = TraceHeaders(*session_.limits_.trace_headers);
    forwarded_ = {};
    text_used_ = 0;
    const auto result = inflater_.inflate(block_, *this);
    fields_of_ = nullptr;
    bump(session_.stats_.unknown_fields, result.unknown);
    if (!result.complete) bump(session_.stats_.unreadable_blocks);
    if (stream == nullptr) return false;
    auto& t = stream->transaction;
    if (opens && !has_pseudo_field_) {
        // no request has none (RFC 9113 §8.3.1): trailers of one whose head was not seen
        bump(session_.stats_.headless_streams);
        session_.forget(*stream);
        return false;
    }
    if (opens && (!result.complete || result.unknown > 0)) t.head_incomplete = true;
    if (is_request_) return true;
    const bool interim = status_ >= 100 && status_ < 200;  // a final head follows (RFC 9113 §8.1)
    if (interim) return true;
    if (session_.observer_ != nullptr && !stream->response.has_head && session_.now_->outgoing)
        session_.observer_->response_began(t, session_.now_->thread, block_first_ns_);
    stream->response.has_head = true;
    if (t.status == 0) t.status = status_;
    return true;
}

void Http2Session::Direction::on_field(const HpackField& field) {
    if (fields_of_ == nullptr) return;
    auto& t = fields_of_->transaction;
    const auto name = field.name;
    if (!name.empty() && name[0] == ':') has_pseudo_field_ = true;
    if (!is_request_) {
        if (name == ":status") {
            std::uint16_t status = 0;
            std::from_chars(field.value.data(), field.value.data() + field.value.size(), status);
            if (status >= 100 && status <= 999) status_ = status;
        } else if (name == "grpc-status") {
            if (const auto code = parse_grpc_status(field.value)) t.grpc_status = *code;
        } else if (name == "content-type" && is_grpc_content_type(field.value)) {
            t.grpc = true;
        }
        return;
    }
    if (fields_of_->request.has_head) return;  // trailers
    if (name == ":method")
        t.method.assign(field.value);
    else if (name == ":path")
        t.path.assign(field.value.substr(0, field.value.find_first_of("?#")));
    else if (name == ":authority" || (name == "host" && t.host.empty()))
        t.host.assign(field.value);
    else if (name == "user-agent")
        t.user_agent.assign(field.value);
    else if (name == "content-type")
        t.grpc = is_grpc_content_type(field.value);
    else
        take_other_field(name, field.value);
}

// What proxies and tracers add. A trace header that does not fit is as good as not sent, none is that long; a client's
// address that does not fit is not known.
void Http2Session::Direction::take_other_field(std::string_view name, std::string_view value) {
    if (value.size() > text_.size() - text_used_) {
        forwarded_.take(name, "unknown");
        return;
    }
    std::copy(value.begin(), value.end(), text_.begin() + static_cast<std::ptrdiff_t>(text_used_));
    const std::string_view kept(text_.data() + text_used_, value.size());
    if (trace_.take(name, kept) || forwarded_.take(name, kept)) text_used_ += value.size();
}

void Http2Session::Direction::end_data(const sonde_http2_header& header) {
    auto* stream = session_.find(header.stream);
    if (stream == nullptr) return;
    auto& half = is_request_ ? stream->request : stream->response;
    if ((header.flags & SONDE_HTTP2_PADDED) != 0 && payload_.size() == 1) {
        const std::uint64_t padding = 1U + static_cast<unsigned char>(payload_[0]);
        half.body_bytes -= std::min(padding, half.body_bytes);
    }
    if ((header.flags & SONDE_HTTP2_END_STREAM) == 0) return;
    half.ended = true;
    session_.finish_if_ended(*stream);
}

}  // namespace sonde
