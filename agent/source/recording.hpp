#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "agent/model/loss.hpp"
#include "agent/model/process.hpp"

// The file format of `sonde record`, little-endian:
//
//   | RecordingHeader | frame | frame | … | trailer frame |
//
//   frame:    | u32 length | u32 CRC-32 | record: length bytes | zeros to a multiple of 8 |
//   trailer:  | u32 0      | u32 CRC-32 | RecordingTrailer |
//
// A frame's CRC covers its length and all that follows it in the frame, padding included: no bit may flip unseen.
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
    char kernel_release[100];         // as uname -r gives it, zero-padded
    std::uint32_t crc;                // of the bytes before
};
static_assert(sizeof(RecordingHeader) == 128);

struct RecordingFrame {
    std::uint32_t length;
    std::uint32_t crc;
};
static_assert(sizeof(RecordingFrame) == 8);

struct RecordingTrailer {
    std::uint64_t records;
    LossMatrix losses;
};

constexpr std::size_t recording_padding(std::size_t length) { return (8 - length % 8) % 8; }

std::uint32_t recording_header_crc(const RecordingHeader& header);
// body: everything behind the frame's head.
std::uint32_t recording_frame_crc(std::uint32_t length, std::span<const char> body);

// Replaces record by a SONDE_REC_PROC_INFO record; strings beyond 4096 bytes are cut.
void encode_process(const Process& process, std::vector<char>& record);

}  // namespace sonde
