#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace sonde {

// Copies to memory that a device reads next and this CPU does not: whole cache lines go past the caches. Through them,
// each line would be fetched before it is overwritten; and a hypervisor whose copy has just taken the lines to another
// core makes that five times as dear (docs/file_sink.md). stream_done() comes before the device is told.
inline void stream_copy(char* to, const char* from, std::size_t size) {
#ifdef __SSE2__
    constexpr std::size_t line = 64, word = sizeof(__m128i);
    const auto head = -reinterpret_cast<std::uintptr_t>(to) % line;
    if (size >= head + line) {
        std::memcpy(to, from, head);
        to += head, from += head, size -= head;
        for (; size >= line; to += line, from += line, size -= line)
            for (std::size_t at = 0; at < line; at += word)
                _mm_stream_si128(reinterpret_cast<__m128i*>(to + at),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at)));
    }
#endif
    std::memcpy(to, from, size);
}

inline void stream_done() {
#ifdef __SSE2__
    _mm_sfence();
#endif
}

}  // namespace sonde
