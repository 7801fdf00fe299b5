#include "agent/redact/prefilter_block.hpp"

#ifdef __AVX512BW__
#include <immintrin.h>

namespace sonde {
namespace {

// A block at once; comparisons give its masks.
class Avx512Lookup {
public:
    explicit Avx512Lookup(const WordTables& tables) {
        for (int i = 0; i < word_table_bytes; ++i) {
            low_[i] = everywhere(tables.low[i]);
            high_[i] = everywhere(tables.high[i]);
        }
    }

    BlockMasks load(const char* p, const char* word, std::uint8_t* sets) const {
        const auto v = bytes(p);
        const auto found = _mm512_and_si512(_mm512_and_si512(sets_of(bytes(word), 0), sets_of(bytes(word + 1), 1)),
                                            _mm512_and_si512(sets_of(bytes(word + 2), 2), sets_of(bytes(word + 3), 3)));
        _mm512_storeu_si512(sets, found);
        return {within(v, '0', 10),
                _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('0')),
                within(v, 'A', 26),
                one_of(separators_, v),
                _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('@')),
                one_of(openings_, v),
                _mm512_test_epi8_mask(found, found)};
    }

private:
    static __m512i everywhere(const std::uint8_t* table) {
        const auto part = _mm_load_si128(reinterpret_cast<const __m128i*>(table));
        return _mm512_maskz_broadcast_i32x4(0xffff, part);  // unmasked, g++ 12 warns of its own header
    }
    static __m512i bytes(const char* p) { return _mm512_loadu_si512(p); }
    static std::uint64_t within(__m512i v, char first, char count) {
        return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8(first)), _mm512_set1_epi8(count));
    }
    __m512i sets_of(__m512i v, int i) const {
        const auto nibble = _mm512_set1_epi8(15);
        const auto high = _mm512_maskz_srli_epi16(0xffffffff, v, 4);
        return _mm512_and_si512(_mm512_shuffle_epi8(low_[i], _mm512_and_si512(v, nibble)),
                                _mm512_shuffle_epi8(high_[i], _mm512_and_si512(high, nibble)));
    }

    // A table that holds each wanted byte at its low half-byte: only a wanted byte finds itself there.
    static std::uint64_t one_of(__m512i table, __m512i v) {
        return _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(table, v), v);
    }

    const __m512i separators_ = everywhere(separator_table);
    const __m512i openings_ = everywhere(opening_table);
    __m512i low_[word_table_bytes];
    __m512i high_[word_table_bytes];
};

}  // namespace

RuleMask scan_avx512(const ScanInput& input) { return scan<Avx512Lookup>(input); }

}  // namespace sonde

#else  // another processor: best_isa() never chooses it

namespace sonde {
RuleMask scan_avx512(const ScanInput& input) { return scan_scalar(input); }
}  // namespace sonde

#endif
