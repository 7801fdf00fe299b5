// The search for the end of an answer that changes protocols: wherever it is cut, it ends at the same byte, and that is
// the end of a head.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/support/upgrade_wire.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t cut = 1U + data[0];
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    constexpr std::uint32_t start = 0xffffff00;
    sonde_upgrade_search whole, parts;
    sonde_upgrade_begin(&whole, start);
    sonde_upgrade_begin(&parts, start);
    sonde::test::search_upgrade(whole, start, bytes);
    for (std::size_t at = 0; at < bytes.size(); at += cut)
        sonde::test::search_upgrade(parts, start + static_cast<std::uint32_t>(at), bytes.substr(at, cut));
    const bool same = whole.active == parts.active && whole.found == parts.found && whole.next_seq == parts.next_seq &&
                      whole.is_h2c == parts.is_h2c && whole.is_websocket == parts.is_websocket;
    const auto taken = whole.next_seq - start;
    const bool ends = whole.found == 0 || bytes.substr(0, taken).ends_with("\r\n\r\n");
    if (!same || !ends || taken > bytes.size() || taken > SONDE_UPGRADE_HEAD_MAX) std::abort();
    return 0;
}
