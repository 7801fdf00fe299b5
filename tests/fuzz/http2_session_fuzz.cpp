#include <algorithm>
#include <cstdlib>

#include "tests/support/http2_peer.hpp"

// Both ends of a connection send any bytes, in pieces; some pieces are lost. Each piece: who (low bit), lost (second
// bit), cut (the other bits), then a length byte.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    sonde::Http2Limits limits;
    limits.max_streams = 8;
    limits.max_block_bytes = 4096;
    if (size == 0) return 0;
    sonde::test::Http2Peer peer((data[0] & 1) != 0 ? sonde::Side::server : sonde::Side::client, limits);
    peer.client(sonde::test::http2_preface, 1);
    std::uint64_t time_ns = 1000;
    for (std::size_t at = 1; at + 2 <= size;) {
        const auto how = data[at];
        const auto length = std::min<std::size_t>(data[at + 1], size - at - 2);
        const std::string_view bytes(reinterpret_cast<const char*>(data) + at + 2, length);
        if ((how & 2) != 0) peer.lose_next();
        time_ns += 1000;
        if ((how & 1) != 0)
            peer.client(bytes, time_ns, 1U + (how >> 2U));
        else
            peer.server(bytes, time_ns, 1U + (how >> 2U));
        if ((how & 0x80) != 0) peer.read(time_ns, 1, 2);
        if (peer.session.open_streams() > limits.max_streams) std::abort();
        at += 2 + length;
    }
    peer.session.tick(time_ns + 10'000'000'000);
    peer.session.on_close();
    if (peer.session.open_streams() != 0) std::abort();
    for (const auto& transaction : peer.done)
        if (transaction.duration_ns > time_ns) std::abort();
    return 0;
}
