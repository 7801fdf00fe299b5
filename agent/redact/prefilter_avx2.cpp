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

    BlockMasks load(const char* p, const char* word, std::uint8_t* sets) const {
        const __m256i v[2] = {bytes(p), bytes(p + 32)};
        const auto each = [&](auto mask_of) { return mask_of(v[0]) | mask_of(v[1]) << 32; };
        const auto words = [&](int i) {
            const char* from = word + 32 * i;
            const auto found =
                _mm256_and_si256(_mm256_and_si256(sets_of(bytes(from), 0), sets_of(bytes(from + 1), 1)),
                                 _mm256_and_si256(sets_of(bytes(from + 2), 2), sets_of(bytes(from + 3), 3)));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(sets + 32 * i), found);
            return mask(_mm256_cmpeq_epi8(found, _mm256_setzero_si256()));
        };
        return {each([](__m256i b) { return within(b, '0', 10); }),
                each([](__m256i b) { return mask(_mm256_cmpeq_epi8(b, _mm256_set1_epi8('0'))); }),
                each([](__m256i b) { return within(b, 'A', 26); }),
                each([&](__m256i b) { return one_of(separators_, b); }),
                each([](__m256i b) { return mask(_mm256_cmpeq_epi8(b, _mm256_set1_epi8('@'))); }),
                each([&](__m256i b) { return one_of(openings_, b); }),
                ~(words(0) | words(1) << 32)};
    }

private:
    static __m256i both(const std::uint8_t* table) {
        return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
    }
    static __m256i bytes(const char* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static std::uint64_t mask(__m256i equal) { return static_cast<std::uint32_t>(_mm256_movemask_epi8(equal)); }
    static std::uint64_t within(__m256i v, char first, char count) {
        const auto offset = _mm256_sub_epi8(v, _mm256_set1_epi8(first));
        return mask(_mm256_cmpeq_epi8(_mm256_min_epu8(offset, _mm256_set1_epi8(static_cast<char>(count - 1))), offset));
    }
    __m256i sets_of(__m256i v, int i) const {
        const auto nibble = _mm256_set1_epi8(15);
        return _mm256_and_si256(_mm256_shuffle_epi8(low_[i], _mm256_and_si256(v, nibble)),
                                _mm256_shuffle_epi8(high_[i], _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
    }

    // A table that holds each wanted byte at its low half-byte: only a wanted byte finds itself there.
    static std::uint64_t one_of(__m256i table, __m256i v) {
        return mask(_mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, v), v));
    }

    const __m256i separators_ = both(separator_table);
    const __m256i openings_ = both(opening_table);
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
