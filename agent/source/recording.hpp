#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/model/loss.hpp"

// The file format of `sonde record`, little-endian:
//
//   | RecordingHeader | frame | frame | … | trailer frame |
//
//   frame:    | u32 length | u32 CRC-32 of the record | record: length bytes | zeros to a multiple of 8 |
//   trailer:  | u32 0      | u32 CRC-32 of the trailer | RecordingTrailer |
//
// A file without a trailer was cut off: what stands before is good.
namespace sonde {

inline constexpr char recording_magic[8] = {'S', 'O', 'N', 'D', 'E', 'R', 'E', 'C'};
inline constexpr std::uint32_t recording_version = 1;
inline constexpr std::size_t recording_record_max = 65535;  // sonde_header.size has 16 bits

struct RecordingHeader {
    char magic[8];
    std::uint32_t version;
    std::uint32_t abi_version;        // SONDE_ABI_VERSION
    std::int64_t realtime_offset_ns;  // CLOCK_REALTIME − CLOCK_MONOTONIC when it was made
};
static_assert(sizeof(RecordingHeader) == 24);

struct RecordingFrame {
    std::uint32_t length;
    std::uint32_t crc;
};
static_assert(sizeof(RecordingFrame) == 8);

struct RecordingTrailer {
    std::uint64_t records;
    LossMatrix losses;
};

std::uint32_t recording_crc(const void* bytes, std::size_t size);
constexpr std::size_t recording_padding(std::size_t length) { return (8 - length % 8) % 8; }

}  // namespace sonde
