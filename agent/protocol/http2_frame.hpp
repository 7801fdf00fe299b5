#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "bpf/shared/http2_frame.h"

// The other side of bpf/shared/http2_walk.h: from the bytes that the kernel kept back to frames (RFC 9113 §4).
namespace sonde {

// A piece of one direction, as it was walked: see struct sonde_http2_frames.
struct Http2Piece {
    std::uint32_t seq = 0;
    std::uint32_t length = 0;
    std::uint32_t left = 0;
    std::uint32_t keep = 0;
    std::uint8_t carried = 0;
    std::array<unsigned char, 8> carry{};
    std::span<const char> bytes;
};

// What the reader finds, in stream order.
class Http2FrameHandler {
public:
    virtual void on_frame(const sonde_http2_header& header) = 0;
    // Bytes of the current frame's payload that were kept.
    virtual void on_kept(const sonde_http2_header& header, std::span<const char> bytes) = 0;
    // So many more bytes of the current frame's payload have passed, kept or not.
    virtual void on_payload(const sonde_http2_header& header, std::uint32_t count) = 0;
    virtual void on_frame_end(const sonde_http2_header& header) = 0;
    // Frames are missing before what comes next; a frame that was open will not end.
    virtual void on_gap() = 0;

protected:
    ~Http2FrameHandler() = default;
};

// One direction of one connection. Pieces come in stream order. Never throws, never allocates, keeps nothing of a
// piece but its last partial frame header.
class Http2FrameReader {
public:
    enum class Fit : std::uint8_t {
        next,   // goes on where the piece before ended; also: nothing is known yet
        old,    // lies before that
        ahead,  // bytes are missing in between, and frame headers may be among them
        other,  // begins there, and contradicts it
    };
    [[nodiscard]] Fit fit(const Http2Piece& piece) const;
    [[nodiscard]] bool synced() const { return synced_; }

    // A piece that does not fit is taken up afresh, after on_gap(). False: the piece contradicts itself; on_gap() was
    // called, and the next piece is taken up afresh.
    bool read(const Http2Piece& piece, Http2FrameHandler& handler);
    // What comes next does not go on here. Returns false.
    bool lose(Http2FrameHandler& handler);
    // Position of the byte behind what a handler is being told of; between two calls of read(), where the next piece
    // is to begin.
    [[nodiscard]] std::uint32_t position() const { return next_seq_; }

private:
    void skip_hole(const Http2Piece& piece, Http2FrameHandler& handler);
    bool read_payload(std::uint32_t& length, std::span<const char>& bytes, Http2FrameHandler& handler);
    bool read_header(std::uint32_t& length, std::span<const char>& bytes, Http2FrameHandler& handler);

    bool synced_ = false;
    bool named_ = false;  // header_ is the current frame's; false: it began in what is missing
    std::uint8_t carried_ = 0;
    std::uint32_t next_seq_ = 0;
    std::uint32_t left_ = 0;
    std::uint32_t keep_ = 0;
    std::array<unsigned char, SONDE_HTTP2_HEADER_BYTES> carry_{};
    sonde_http2_header header_{};
};

}  // namespace sonde
