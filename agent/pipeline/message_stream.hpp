#pragma once

#include <cstdint>
#include <string>

#include "agent/protocol/http1_parser.hpp"

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
    bool head_cut = false;    // the kernel's capture ended before the head did: framing is unknown
    std::uint32_t start = 0;  // first byte of the message
    std::uint32_t head_bytes = 0;
    std::uint64_t end = 0;       // bytes from start to the message's end
    std::uint64_t received = 0;  // bytes from start to the last byte seen; 64 bits: bodies over 4 GiB
    std::uint64_t first_ns = 0;  // CLOCK_MONOTONIC of the first byte
    std::uint64_t last_ns = 0;   // and of the last one seen
    std::string head;            // bytes of a head that came in several segments

    void begin(std::uint32_t seq, std::uint64_t time_ns) {
        state = State::head;
        framing = BodyFraming::none;
        end_known = head_cut = false;
        start = seq;
        head_bytes = 0;
        end = received = 0;
        first_ns = last_ns = time_ns;
        head.clear();
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
    }

    void close() { state = State::idle; }
    [[nodiscard]] bool complete() const { return state == State::body && end_known && received >= end; }
};

}  // namespace sonde
