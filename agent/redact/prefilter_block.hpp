// What the scans of prefilter_scan.hpp share: included by the files that implement one each, nowhere else.
#pragma once

#include <cstring>

#include "agent/redact/prefilter_scan.hpp"

namespace sonde {
namespace {  // on purpose: each includer gets its own, for its own processor

constexpr std::size_t block_bytes = 64;
constexpr std::size_t readable_bytes = block_bytes + word_table_bytes - 1;

// Bit i: byte i of the block is of this class.
struct BlockMasks {
    std::uint64_t digit, zero, upper, dash, space, dot, plus, open, close, at, word;
};

__extension__ typedef unsigned __int128 Wide;  // a block and the one behind it

inline Wide wide(std::uint64_t now, std::uint64_t next) { return Wide{next} << 64 | now; }
inline std::uint64_t low(Wide bits) { return static_cast<std::uint64_t>(bits); }
inline constexpr RuleMask if_any(std::uint64_t bits, Builtin rule) { return bits != 0 ? bit(rule) : 0; }

// Rules that need digits in a certain order, starting in the block `now`. digit_before: the byte before it is one.
inline RuleMask digit_rules(bool digit_before, const BlockMasks& now, const BlockMasks& next) {
    if ((now.digit | next.digit) == 0) return 0;
    const Wide d = wide(now.digit, next.digit),
               separators = wide(now.dash | now.space | now.dot, next.dash | next.space | next.dot);
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
    if (const auto signs = now.plus & low((d ^ wide(now.zero, next.zero)) >> 1); signs != 0) {
        const Wide part = d | separators | wide(now.open | now.close, next.open | next.close);
        const Wide part3 = part & part >> 1 & part >> 2;
        found |= if_any(signs & low(part3 >> 2 & part3 >> 5), Builtin::phone);
    }
    if (now.open != 0) {
        const auto closed = now.open & low(d3 >> 1 & wide(now.close, next.close) >> 4);
        found |= if_any(closed & low(d3 >> 5 | (separators >> 5 & d3 >> 6)), Builtin::phone);
    }
    const Wide upper = wide(now.upper, next.upper);
    if (const auto countries = low(upper & upper >> 1 & d2 >> 2); countries != 0) {
        const Wide a = d | upper, a4 = a & a >> 1 & (a & a >> 1) >> 2;
        found |= if_any(countries & low(a4 >> 4 | (separators >> 4 & a4 >> 5)), Builtin::iban);
    }
    return found;
}

// Lookup::load(tables, p, masks, sets): reads readable_bytes from p on, fills the masks, and sets[i] where masks.word
// has bit i.
template <typename Lookup>
inline RuleMask scan(const ScanInput& input) {
    alignas(32) std::uint8_t sets[block_bytes];
    char padded[readable_bytes];
    const Lookup lookup(*input.tables);
    RuleMask found = 0;
    const auto load = [&](std::size_t base) {
        BlockMasks masks{};
        if (base >= input.size) return masks;
        const char* from = input.text + base;
        if (const auto rest = input.size - base; rest < readable_bytes) {
            std::memset(padded, 0, sizeof padded);
            std::memcpy(padded, from, rest);
            from = padded;
        }
        lookup.load(from, masks, sets);
        for (auto bits = masks.word; bits != 0; bits &= bits - 1) {
            const auto i = static_cast<unsigned>(__builtin_ctzll(bits));
            found |= input.word(input.context, base + i, sets[i]);
        }
        for (auto bits = masks.at; bits != 0; bits &= bits - 1)
            found |= input.at_sign(input.context, base + static_cast<unsigned>(__builtin_ctzll(bits)));
        return masks;
    };
    bool digit_before = false;
    auto now = load(0);
    for (std::size_t base = 0; base < input.size; base += block_bytes) {
        const auto next = load(base + block_bytes);
        found |= digit_rules(digit_before, now, next);
        digit_before = (now.digit >> 63) != 0;
        now = next;
    }
    return found;
}

}  // namespace
}  // namespace sonde
