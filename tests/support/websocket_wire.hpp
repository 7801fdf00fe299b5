#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "bpf/shared/websocket_walk.h"

// WebSocket frames as they stand on the wire (RFC 6455 §5.2).
namespace sonde::test {

constexpr std::uint8_t ws_final = 0x80;

inline std::string websocket_frame(std::uint8_t first, std::string_view payload, bool masked,
                                   std::uint32_t key = 0x37fa213d) {
    std::string out(1, static_cast<char>(first));
    const auto size = payload.size();
    const char mask_bit = masked ? '\x80' : '\0';
    const auto big_endian = [&](int bytes) {
        for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(static_cast<std::uint64_t>(size) >> (8 * i));
    };
    if (size < 126) {
        out += static_cast<char>(mask_bit | static_cast<char>(size));
    } else if (size < 65536) {
        out += static_cast<char>(mask_bit | 126);
        big_endian(2);
    } else {
        out += static_cast<char>(mask_bit | 127);
        big_endian(8);
    }
    if (!masked) return out.append(payload);
    char keys[4];
    for (int i = 0; i < 4; ++i) out += keys[i] = static_cast<char>(key >> (24 - 8 * i));
    for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(payload[i] ^ keys[i % 4]);
    return out;
}

inline std::string websocket_close(std::uint16_t code, bool masked, std::string_view reason = {}) {
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
    return websocket_frame(ws_final | SONDE_WEBSOCKET_CLOSE, payload.append(reason), masked);
}

// One piece, as bpf/websocket.bpf.h walks it.
inline void walk_websocket(sonde_websocket_walk& walk, std::uint32_t seq, std::string_view bytes) {
    std::uint32_t offset = 0;
    if (sonde_websocket_align(&walk, seq, static_cast<std::uint32_t>(bytes.size()), &offset) == 0) return;
    while (offset < bytes.size() && sonde_websocket_walks(&walk) != 0) {
        if (sonde_websocket_in_payload(&walk) != 0) {
            offset += sonde_websocket_skip(&walk, static_cast<std::uint32_t>(bytes.size()) - offset);
        } else {
            sonde_websocket_byte(&walk, static_cast<std::uint8_t>(bytes[offset]));
            ++offset;
        }
    }
}

}  // namespace sonde::test
