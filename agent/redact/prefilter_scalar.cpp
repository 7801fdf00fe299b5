#include "agent/redact/prefilter_block.hpp"

namespace sonde {
namespace {

// Byte by byte.
class ScalarLookup {
public:
    explicit ScalarLookup(const WordTables& tables) : tables_(tables) {}

    BlockMasks load(const char* p, const char* word, std::uint8_t* sets) const {
        BlockMasks masks{};
        for (std::size_t i = 0; i < block_bytes; ++i) {
            const char c = p[i];
            const auto one = std::uint64_t{1} << i;
            const char* w = word + i;
            sets[i] = sets_of(w[0], 0) & sets_of(w[1], 1) & sets_of(w[2], 2) & sets_of(w[3], 3);
            if (sets[i] != 0) masks.word |= one;
            if (c >= '0' && c <= '9') masks.digit |= one;
            if (c >= 'A' && c <= 'Z') masks.upper |= one;
            if (c == '0') masks.zero |= one;
            if (c == '-' || c == ' ' || c == '.') masks.separator |= one;
            if (c == '@') masks.at |= one;
            if (c == '+' || c == '(') masks.opening |= one;
        }
        return masks;
    }

private:
    [[nodiscard]] std::uint8_t sets_of(char c, int i) const {
        const auto byte = static_cast<unsigned char>(c);
        return tables_.low[i][byte & 15U] & tables_.high[i][byte >> 4U];
    }
    const WordTables& tables_;
};

}  // namespace

RuleMask scan_scalar(const ScanInput& input) { return scan<ScalarLookup>(input); }

}  // namespace sonde
