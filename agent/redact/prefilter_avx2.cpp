#include "agent/redact/prefilter_block.hpp"

#ifdef __AVX2__
#include <immintrin.h>

namespace sonde {
namespace {

// Two halves of 32 bytes.
class Avx2Lookup {
public:
    explicit Avx2Lookup(const WordTables& tables) {
        for (int i = 0; i < word_table_bytes; ++i) {
            low_[i] = both(tables.low[i]);
            high_[i] = both(tables.high[i]);
        }
    }

    void load(const char* p, BlockMasks& masks, std::uint8_t* sets) const {
        half<0>(p, masks, sets);
        half<32>(p + 32, masks, sets + 32);
    }

private:
    static __m256i both(const std::uint8_t* table) {
        return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
    }
    static __m256i bytes(const char* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static std::uint64_t mask(__m256i equal) { return static_cast<std::uint32_t>(_mm256_movemask_epi8(equal)); }
    static std::uint64_t equal(__m256i v, char c) { return mask(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(c))); }
    static std::uint64_t within(__m256i v, char first, char count) {
        const auto offset = _mm256_sub_epi8(v, _mm256_set1_epi8(first));
        return mask(_mm256_cmpeq_epi8(_mm256_min_epu8(offset, _mm256_set1_epi8(static_cast<char>(count - 1))), offset));
    }
    __m256i sets_of(__m256i v, int i) const {
        const auto nibble = _mm256_set1_epi8(15);
        return _mm256_and_si256(_mm256_shuffle_epi8(low_[i], _mm256_and_si256(v, nibble)),
                                _mm256_shuffle_epi8(high_[i], _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
    }

    template <int shift>
    void half(const char* p, BlockMasks& masks, std::uint8_t* sets) const {
        const auto v = bytes(p);
        const auto found = _mm256_and_si256(_mm256_and_si256(sets_of(v, 0), sets_of(bytes(p + 1), 1)),
                                            _mm256_and_si256(sets_of(bytes(p + 2), 2), sets_of(bytes(p + 3), 3)));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sets), found);
        const auto nothing = static_cast<std::uint32_t>(mask(_mm256_cmpeq_epi8(found, _mm256_setzero_si256())));
        masks.word |= std::uint64_t{~nothing} << shift;
        masks.digit |= within(v, '0', 10) << shift;
        masks.upper |= within(v, 'A', 26) << shift;
        masks.zero |= equal(v, '0') << shift;
        masks.dash |= equal(v, '-') << shift;
        masks.space |= equal(v, ' ') << shift;
        masks.dot |= equal(v, '.') << shift;
        masks.plus |= equal(v, '+') << shift;
        masks.open |= equal(v, '(') << shift;
        masks.close |= equal(v, ')') << shift;
        masks.at |= equal(v, '@') << shift;
    }

    __m256i low_[word_table_bytes];
    __m256i high_[word_table_bytes];
};

}  // namespace

RuleMask scan_avx2(const ScanInput& input) { return scan<Avx2Lookup>(input); }

}  // namespace sonde

#else  // another processor: best_isa() never chooses it

namespace sonde {
RuleMask scan_avx2(const ScanInput& input) { return scan_scalar(input); }
}  // namespace sonde

#endif
