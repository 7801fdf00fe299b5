#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sonde {

// One batch in a spool segment. A segment is nothing but frames, one after the other, little endian:
//
//     0       4           8          12          16        24        28           32
//     │ magic │ body size │ records  │ body CRC  │ time_ns │ reserved │ header CRC │ body … │
//
// The header has a checksum of its own: with a good one, a body that went bad costs itself only. CRC: zlib's crc32.
struct SpoolFrameHeader {
    std::uint32_t body_bytes = 0;
    std::uint32_t records = 0;
    std::uint32_t body_crc = 0;
    std::uint64_t time_ns = 0;  // CLOCK_REALTIME when the batch was closed
};

constexpr std::size_t spool_header_bytes = 32;
constexpr std::size_t spool_max_body_bytes = std::size_t{64} << 20;

enum class SpoolFrameState : std::uint8_t {
    good,
    need_more,   // the bytes end inside the frame: a torn tail, if nothing follows
    bad_header,  // not a frame: what follows cannot be found either
    bad_body,    // header and length hold, the body does not
};

struct SpoolFrame {
    SpoolFrameState state = SpoolFrameState::need_more;
    SpoolFrameHeader header;  // unless need_more came before it, or bad_header
    std::size_t size = 0;     // header and body; as header
};

std::array<std::byte, spool_header_bytes> encode_spool_header(std::string_view body, std::uint32_t records,
                                                              std::uint64_t time_ns);
// From the first bytes of a frame: good means that the header is, the body has not been looked at.
SpoolFrame parse_spool_header(std::span<const std::byte> bytes);
// The frame at the start of `bytes`, body and all.
SpoolFrame parse_spool_frame(std::span<const std::byte> bytes);
bool spool_body_holds(const SpoolFrameHeader& header, std::string_view body);

}  // namespace sonde
