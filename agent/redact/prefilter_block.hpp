// What the scans of prefilter_scan.hpp share: included by the files that implement one each, nowhere else.
#pragma once

#include <cstring>

#include "agent/redact/prefilter_scan.hpp"

namespace sonde {
namespace {  // on purpose: each includer gets its own, for its own processor

constexpr std::size_t block_bytes = 64;
constexpr std::size_t readable_bytes = block_bytes + word_table_bytes - 1;

// Each byte at its low half-byte; what stands elsewhere has another one, so it is never found.
alignas(16) inline constexpr std::uint8_t separator_table[16]{' ', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '-', '.', 0};
alignas(16) inline constexpr std::uint8_t rare_table[16]{'@', 0, 0, 0, 0, 0, 0, 0, '(', 0, 0, '+', 0, 0, 0, 0};

// Bit i: byte i of the block is of this class.
struct BlockMasks {
    std::uint64_t digit, zero, upper;
    std::uint64_t separator;  // blank, '-', '.'
    std::uint64_t rare;       // '@', '+', '('
    std::uint64_t word;       // a word may begin here
};

__extension__ typedef unsigned __int128 Wide;  // a block and the one behind it

inline Wide wide(std::uint64_t now, std::uint64_t next) { return Wide{next} << 64 | now; }
inline std::uint64_t low(Wide bits) { return static_cast<std::uint64_t>(bits); }
inline constexpr RuleMask if_any(std::uint64_t bits, Builtin rule) { return bits != 0 ? bit(rule) : 0; }

// Rules that need digits in a certain order, starting in the block `now`. digit_before: the byte before it is one.
inline RuleMask digit_rules(bool digit_before, const BlockMasks& now, const BlockMasks& next) {
    const Wide d = wide(now.digit, next.digit), separators = wide(now.separator, next.separator);
    const Wide d2 = d & d >> 1, d3 = d2 & d >> 2, d4 = d2 & d2 >> 2, d8 = d4 & d4 >> 4;
    const std::uint64_t start = ~(now.digit << 1 | (digit_before ? 1U : 0U));
    RuleMask found = 0;

    // 13 digits in a row; or 4-4-4-…, 4-6-…
    const Wide group = d4 & separators >> 4;
    found |= if_any(low(d8 & d4 >> 8 & d >> 12), Builtin::credit_card);
    if (const auto groups = low(group & d4 >> 5); groups != 0) {
        found |= if_any(groups & low(separators >> 9 & d2 >> 10), Builtin::credit_card);
        found |= if_any(groups & low(d2 >> 9 & separators >> 11), Builtin::credit_card);
    }
    if (const auto areas = low(d3 & separators >> 3) & start; areas != 0) {
        found |= if_any(areas & low(d2 >> 4 & separators >> 6 & d4 >> 7), Builtin::us_ssn);
        found |= if_any(areas & low(d3 >> 4 & separators >> 7 & d4 >> 8), Builtin::phone);
        found |= if_any(areas & low(d4 >> 4 & separators >> 8 & d4 >> 9), Builtin::phone);
    }
    if (const auto zeros = now.zero & start; zeros != 0) {
        const Wide pair = d2 & separators >> 2;
        found |= if_any(zeros & low(pair & pair >> 3 & pair >> 6 & d2 >> 9), Builtin::phone);
        found |= if_any(zeros & low(d4 & d >> 4 & separators >> 5 & d3 >> 6), Builtin::phone);
        found |= if_any(zeros & low(group & d3 >> 5 & separators >> 8 & d3 >> 9), Builtin::phone);
    }
    return found;
}

// Whatever digit_rules() finds has at least eleven digits and separators in a row (219-09-9999): does such a run end in
// the block? Most blocks have none. What breaks a run is spread over the ten bytes behind it, in four steps, each with
// what the block before carries over.
class Runs {
public:
    bool add(const BlockMasks& masks) {
        const auto breaks = ~(masks.digit | masks.separator);
        const auto two = breaks | breaks << 1 | breaks_ >> 63;
        const auto four = two | two << 2 | two_ >> 62;
        const auto eight = four | four << 4 | four_ >> 60;
        const auto eleven = eight | eight << 3 | eight_ >> 61;
        breaks_ = breaks;
        two_ = two;
        four_ = four;
        eight_ = eight;
        return eleven != ~std::uint64_t{0};
    }

private:
    std::uint64_t breaks_ = ~std::uint64_t{0}, two_ = breaks_, four_ = breaks_, eight_ = breaks_;
};

// Bit i: two capitals and two digits end there, as an IBAN begins.
inline std::uint64_t countries(const BlockMasks& before, const BlockMasks& now) {
    return now.digit & (now.digit << 1 | before.digit >> 63) & (now.upper << 2 | before.upper >> 62) &
           (now.upper << 3 | before.upper >> 61);
}

// Lookup::load(tables, p, sets): the masks of p[0 … 63], and sets[i] where the mask `word` has bit i. Reads
// readable_bytes from p on.
template <typename Lookup>
inline RuleMask scan(const ScanInput& input) {
    alignas(32) std::uint8_t sets[block_bytes];
    char padded[readable_bytes];
    const Lookup lookup(*input.tables);
    RuleMask found = 0;
    const auto each = [](std::uint64_t bits, auto on_bit) {
        for (; bits != 0; bits &= bits - 1) on_bit(static_cast<unsigned>(__builtin_ctzll(bits)));
    };
    BlockMasks before{};
    Runs runs;
    bool run_before = false, digit_before = false;
    for (std::size_t base = 0; base < input.size; base += block_bytes) {
        const char* from = input.text + base;
        if (const auto rest = input.size - base; rest < readable_bytes) {
            std::memset(padded, 0, sizeof padded);
            std::memcpy(padded, from, rest);
            from = padded;
        }
        const BlockMasks now = lookup.load(from, sets);
        each(now.word, [&](unsigned i) { found |= input.word(input.context, base + i, sets[i]); });
        each(now.rare, [&](unsigned i) { found |= input.rare(input.context, base + i); });
        each(countries(before, now), [&](unsigned i) { found |= input.country(input.context, base + i - 3); });
        const bool run = runs.add(now);
        if (run || run_before) found |= digit_rules(digit_before, before, now);
        digit_before = (before.digit >> 63) != 0;
        run_before = run;
        before = now;
    }
    if (run_before) found |= digit_rules(digit_before, before, {});
    return found;
}

}  // namespace
}  // namespace sonde
