// The walk over WebSocket frames: whatever the bytes are and wherever they are cut, the counts are the same, and never
// more than the bytes can hold.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/support/websocket_wire.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const bool from_client = (data[0] & 1) != 0;
    const std::size_t cut = 1U + data[1];
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    constexpr std::uint32_t start = 0xffffff00;
    sonde_websocket_walk whole, parts;
    sonde_websocket_begin(&whole, start, from_client ? 1 : 0);
    sonde_websocket_begin(&parts, start, from_client ? 1 : 0);
    sonde::test::walk_websocket(whole, start, bytes);
    for (std::size_t at = 0; at < bytes.size(); at += cut)
        sonde::test::walk_websocket(parts, start + static_cast<std::uint32_t>(at), bytes.substr(at, cut));
    const bool same = whole.messages == parts.messages && whole.bytes == parts.bytes && whole.state == parts.state &&
                      whole.code == parts.code && whole.controls == parts.controls && whole.left == parts.left;
    if (!same || whole.bytes > bytes.size() || whole.messages * 2 > bytes.size()) std::abort();
    return 0;
}
