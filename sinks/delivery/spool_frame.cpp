#include "sinks/delivery/spool_frame.hpp"

#include <zlib.h>

#include <bit>
#include <cstring>

namespace sonde {
namespace {

static_assert(std::endian::native == std::endian::little, "the frame's numbers are stored as they lie in memory");

constexpr std::uint32_t magic = 0x314c5053;  // "SPL1"

struct Layout {
    std::uint32_t magic;
    std::uint32_t body_bytes;
    std::uint32_t records;
    std::uint32_t body_crc;
    std::uint64_t time_ns;
    std::uint32_t reserved;
    std::uint32_t header_crc;  // of all before it
};
static_assert(sizeof(Layout) == spool_header_bytes);

std::uint32_t checksum(const void* data, std::size_t size) {
    return static_cast<std::uint32_t>(::crc32_z(0, static_cast<const Bytef*>(data), size));
}

}  // namespace

std::array<std::byte, spool_header_bytes> encode_spool_header(std::string_view body, std::uint32_t records,
                                                              std::uint64_t time_ns) {
    Layout layout{.magic = magic,
                  .body_bytes = static_cast<std::uint32_t>(body.size()),
                  .records = records,
                  .body_crc = checksum(body.data(), body.size()),
                  .time_ns = time_ns,
                  .reserved = 0,
                  .header_crc = 0};
    layout.header_crc = checksum(&layout, offsetof(Layout, header_crc));
    return std::bit_cast<std::array<std::byte, spool_header_bytes>>(layout);
}

SpoolFrame parse_spool_header(std::span<const std::byte> bytes) {
    SpoolFrame frame;
    if (bytes.size() < spool_header_bytes) return frame;
    Layout layout{};
    std::memcpy(&layout, bytes.data(), sizeof layout);
    if (layout.magic != magic || layout.reserved != 0 || layout.body_bytes > spool_max_body_bytes ||
        layout.header_crc != checksum(&layout, offsetof(Layout, header_crc))) {
        frame.state = SpoolFrameState::bad_header;
        return frame;
    }
    frame.state = SpoolFrameState::good;
    frame.header = {layout.body_bytes, layout.records, layout.body_crc, layout.time_ns};
    frame.size = spool_header_bytes + layout.body_bytes;
    return frame;
}

SpoolFrame parse_spool_frame(std::span<const std::byte> bytes) {
    auto frame = parse_spool_header(bytes);
    if (frame.state != SpoolFrameState::good) return frame;
    if (bytes.size() < frame.size) {
        frame.state = SpoolFrameState::need_more;
        return frame;
    }
    const auto body = bytes.subspan(spool_header_bytes, frame.header.body_bytes);
    if (checksum(body.data(), body.size()) != frame.header.body_crc) frame.state = SpoolFrameState::bad_body;
    return frame;
}

bool spool_body_holds(const SpoolFrameHeader& header, std::string_view body) {
    return body.size() == header.body_bytes && checksum(body.data(), body.size()) == header.body_crc;
}

}  // namespace sonde
