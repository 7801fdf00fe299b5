#include "agent/protocol/http2_frame.hpp"

#include <algorithm>
#include <cstring>

namespace sonde {

bool Http2FrameReader::lose(Http2FrameHandler& handler) {
    if (synced_) handler.on_gap();
    synced_ = false;
    named_ = false;
    return false;
}

Http2FrameReader::Fit Http2FrameReader::fit(const Http2Piece& piece) const {
    if (!synced_) return Fit::next;
    const auto gap = static_cast<std::int32_t>(piece.seq - next_seq_);
    if (gap < 0) return Fit::old;
    // what a hole inside skipped payload held is not missed
    const auto skipped = static_cast<std::uint32_t>(gap);
    if (gap > 0 && (keep_ != 0 || carried_ != 0 || skipped > left_)) return Fit::ahead;
    return piece.left == left_ - skipped && piece.keep == keep_ && piece.carried == carried_ &&
                   std::equal(carry_.begin(), carry_.begin() + carried_, piece.carry.begin())
               ? Fit::next
               : Fit::other;
}

// Up to the piece's first byte, which lies in the current frame or just behind it.
void Http2FrameReader::skip_hole(const Http2Piece& piece, Http2FrameHandler& handler) {
    const auto gap = piece.seq - next_seq_;
    if (gap == 0) return;
    left_ -= gap;
    if (!named_) return;
    handler.on_payload(header_, gap);
    if (left_ != 0) return;
    handler.on_frame_end(header_);
    named_ = false;
}

bool Http2FrameReader::read(const Http2Piece& piece, Http2FrameHandler& handler) {
    if (piece.carried > piece.carry.size() || piece.keep > piece.left || (piece.carried > 0 && piece.left > 0))
        return lose(handler);
    if (synced_ && fit(piece) == Fit::next) {
        skip_hole(piece, handler);
    } else {
        lose(handler);
        left_ = piece.left;
        keep_ = piece.keep;
        carried_ = piece.carried;
        std::memcpy(carry_.data(), piece.carry.data(), piece.carry.size());
        synced_ = true;
    }
    next_seq_ = piece.seq;
    auto length = piece.length;
    auto bytes = piece.bytes;
    while (length > 0) {
        const bool good = left_ > 0 ? read_payload(length, bytes, handler) : read_header(length, bytes, handler);
        if (!good) return lose(handler);
    }
    if (!bytes.empty()) return lose(handler);
    return true;
}

bool Http2FrameReader::read_payload(std::uint32_t& length, std::span<const char>& bytes, Http2FrameHandler& handler) {
    const auto kept = std::min(keep_, length);
    if (kept > bytes.size()) return false;
    const auto passed = kept > 0 ? kept : std::min(left_, length);
    if (named_ && kept > 0) handler.on_kept(header_, bytes.first(kept));
    if (named_) handler.on_payload(header_, passed);
    bytes = bytes.subspan(kept);
    length -= passed;
    next_seq_ += passed;
    keep_ -= kept;
    left_ -= passed;
    if (left_ == 0 && named_) {
        handler.on_frame_end(header_);
        named_ = false;
    }
    return true;
}

bool Http2FrameReader::read_header(std::uint32_t& length, std::span<const char>& bytes, Http2FrameHandler& handler) {
    const auto wanted = std::min<std::uint32_t>(SONDE_HTTP2_HEADER_BYTES - carried_, length);
    if (wanted > bytes.size()) return false;
    std::memcpy(carry_.data() + carried_, bytes.data(), wanted);
    bytes = bytes.subspan(wanted);
    length -= wanted;
    next_seq_ += wanted;
    carried_ = static_cast<std::uint8_t>(carried_ + wanted);
    if (carried_ < SONDE_HTTP2_HEADER_BYTES) return true;
    carried_ = 0;
    sonde_http2_parse(carry_.data(), &header_);
    left_ = header_.length;
    keep_ = sonde_http2_kept(header_.type, header_.flags, header_.length);
    named_ = true;
    handler.on_frame(header_);
    if (left_ == 0) {
        handler.on_frame_end(header_);
        named_ = false;
    }
    return true;
}

}  // namespace sonde
