#include "agent/redact/prefilter_block.hpp"

#ifdef __SSSE3__
#include <tmmintrin.h>

namespace sonde {
namespace {

// Four quarters of 16 bytes.
class Ssse3Lookup {
public:
    explicit Ssse3Lookup(const WordTables& tables) {
        for (int i = 0; i < word_table_bytes; ++i) {
            low_[i] = _mm_load_si128(reinterpret_cast<const __m128i*>(tables.low[i]));
            high_[i] = _mm_load_si128(reinterpret_cast<const __m128i*>(tables.high[i]));
        }
    }

    BlockMasks load(const char* p, const char* word, std::uint8_t* sets) const {
        BlockMasks masks{};
        for (int i = 0; i < 4; ++i) {
            const char* from = word + 16 * i;
            const auto v = bytes(p + 16 * i);
            const auto found = _mm_and_si128(_mm_and_si128(sets_of(bytes(from), 0), sets_of(bytes(from + 1), 1)),
                                             _mm_and_si128(sets_of(bytes(from + 2), 2), sets_of(bytes(from + 3), 3)));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(sets + 16 * i), found);
            const auto nothing = mask(_mm_cmpeq_epi8(found, _mm_setzero_si128()));
            masks.word |= (nothing ^ 0xffff) << 16 * i;
            masks.digit |= within(v, '0', 10) << 16 * i;
            masks.zero |= mask(_mm_cmpeq_epi8(v, _mm_set1_epi8('0'))) << 16 * i;
            masks.upper |= within(v, 'A', 26) << 16 * i;
            masks.separator |= one_of(separators_, v) << 16 * i;
            masks.at |= mask(_mm_cmpeq_epi8(v, _mm_set1_epi8('@'))) << 16 * i;
            masks.opening |= one_of(openings_, v) << 16 * i;
        }
        return masks;
    }

private:
    static __m128i bytes(const char* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
    static std::uint64_t mask(__m128i equal) { return static_cast<std::uint16_t>(_mm_movemask_epi8(equal)); }
    static std::uint64_t within(__m128i v, char first, char count) {
        const auto offset = _mm_sub_epi8(v, _mm_set1_epi8(first));
        return mask(_mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(static_cast<char>(count - 1))), offset));
    }
    __m128i sets_of(__m128i v, int i) const {
        const auto nibble = _mm_set1_epi8(15);
        return _mm_and_si128(_mm_shuffle_epi8(low_[i], _mm_and_si128(v, nibble)),
                             _mm_shuffle_epi8(high_[i], _mm_and_si128(_mm_srli_epi16(v, 4), nibble)));
    }

    // A table that holds each wanted byte at its low half-byte: only a wanted byte finds itself there.
    static std::uint64_t one_of(__m128i table, __m128i v) {
        return mask(_mm_cmpeq_epi8(_mm_shuffle_epi8(table, v), v));
    }

    const __m128i separators_ = _mm_load_si128(reinterpret_cast<const __m128i*>(separator_table));
    const __m128i openings_ = _mm_load_si128(reinterpret_cast<const __m128i*>(opening_table));
    __m128i low_[word_table_bytes];
    __m128i high_[word_table_bytes];
};

}  // namespace

RuleMask scan_ssse3(const ScanInput& input) { return scan<Ssse3Lookup>(input); }

}  // namespace sonde

#else  // another processor: best_isa() never chooses it

namespace sonde {
RuleMask scan_ssse3(const ScanInput& input) { return scan_scalar(input); }
}  // namespace sonde

#endif
