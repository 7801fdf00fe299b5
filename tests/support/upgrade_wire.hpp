#pragma once

#include <cstdint>
#include <string_view>

#include "bpf/shared/upgrade_search.h"

namespace sonde::test {

// One piece of an answer, as bpf/http2.bpf.h takes it.
inline void search_upgrade(sonde_upgrade_search& search, std::uint32_t seq, std::string_view bytes) {
    std::uint32_t offset = 0;
    if (sonde_upgrade_align(&search, seq, static_cast<std::uint32_t>(bytes.size()), &offset) == 0) return;
    for (; offset < bytes.size() && search.active != 0; ++offset)
        sonde_upgrade_byte(&search, static_cast<std::uint8_t>(bytes[offset]));
}

}  // namespace sonde::test
