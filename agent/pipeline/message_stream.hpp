#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/protocol/http1_parser.hpp"
#include "bpf/shared/chunk_walk.h"

namespace sonde {

// Sequence numbers wrap: a stands before b (RFC 9293 §3.4).
inline bool seq_before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

// One direction of a connection: where the current message began, and where it will end.
//
//   idle ──first byte──▶ head ──head complete──▶ body ──boundary reached──▶ idle
//
// Positions are TCP sequence numbers.
struct MessageStream {
    enum class State : std::uint8_t { idle, head, body };

    State state = State::idle;
    BodyFraming framing = BodyFraming::none;
    bool end_known = false;   // `end` holds
    bool has_ended = false;   // idle: and nothing is known of the bytes behind `end`
    bool head_cut = false;    // the kernel's capture ended before the head did: framing is unknown
    bool walk_known = false;  // chunked: the kernel follows the body, or this does in `walk`
    bool likely_end = false;  // chunked, not followed: what was seen last looks like the end, nothing came after it
    std::uint32_t start = 0;  // first byte of the message
    std::uint32_t head_bytes = 0;
    std::uint64_t end = 0;       // bytes from start to the message's end
    std::uint64_t received = 0;  // bytes from start to the last byte seen; 64 bits: bodies over 4 GiB
    std::uint64_t first_ns = 0;  // CLOCK_MONOTONIC of the first byte
    std::uint64_t last_ns = 0;   // and of the last one seen
    sonde_walk walk{};           // chunked: over the captured bytes; off once some are missing

    // Bytes of a head that came in several segments, which is rare: most connections have no place for them.
    [[nodiscard]] std::string_view head() const { return head_ ? std::string_view(*head_) : std::string_view(); }
    void add_to_head(std::span<const char> bytes) {
        if (!head_) head_ = std::make_unique<std::string>();
        head_->append(bytes.data(), bytes.size());
    }
    // As made anew, but for the memory of the head.
    void recycle() {
        auto kept = std::move(head_);
        *this = {};
        head_ = std::move(kept);
        if (head_) head_->clear();
    }

    void begin(std::uint32_t seq, std::uint64_t time_ns) {
        state = State::head;
        framing = BodyFraming::none;
        end_known = has_ended = head_cut = walk_known = likely_end = false;
        walk.state = SONDE_WALK_OFF;
        start = seq;
        head_bytes = 0;
        end = received = 0;
        first_ns = last_ns = time_ns;
        if (head_) head_->clear();
    }

    // Distance of a sequence number from the start, near the last byte seen.
    [[nodiscard]] std::int64_t offset_of(std::uint32_t seq) const {
        const auto near = static_cast<std::uint32_t>(start + received);
        return static_cast<std::int64_t>(received) + static_cast<std::int32_t>(seq - near);
    }

    void head_done(std::size_t consumed, BodyFraming how, std::uint64_t length) {
        state = State::body;
        framing = how;
        head_bytes = static_cast<std::uint32_t>(consumed);
        end_known = how == BodyFraming::none || how == BodyFraming::length;
        end = consumed + (how == BodyFraming::length ? length : 0);
        if (how == BodyFraming::chunked) sonde_walk_begin(&walk, start + head_bytes);
    }

    void end_at(std::uint64_t position) {
        end = position;
        end_known = true;
    }

    // Follows a chunked body through bytes that were captured from seq on.
    void walk_bytes(std::uint32_t seq, std::span<const char> bytes) {
        if (framing != BodyFraming::chunked || end_known || sonde_walk_active(&walk) == 0) return;
        const std::uint32_t skip = walk.next - seq;
        if (skip > bytes.size()) {
            walk.state = SONDE_WALK_OFF;
            return;
        }
        const auto rest = bytes.subspan(skip);
        sonde_walk_bytes(&walk, reinterpret_cast<const unsigned char*>(rest.data()),
                         static_cast<std::uint32_t>(rest.size()));
        if (walk.state == SONDE_WALK_ENDED) end_at(head_bytes + (walk.next - walk.start));
    }

    void close() {
        state = State::idle;
        has_ended = end_known;
    }
    [[nodiscard]] bool complete() const { return state == State::body && end_known && received >= end; }

private:
    std::unique_ptr<std::string> head_;
};

}  // namespace sonde
