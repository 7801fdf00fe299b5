// What the scans of prefilter_scan.hpp share: included by the files that implement one each, nowhere else.
#pragma once

#include <cstring>

#include "agent/redact/prefilter_scan.hpp"

namespace sonde {
namespace {  // on purpose: each includer gets its own, for its own processor

constexpr std::size_t block_bytes = 64;
constexpr std::size_t readable_bytes = block_bytes + word_table_bytes - 1;

// Each byte at its low half-byte; what stands elsewhere has another one, so it is never found. Place 0 must be taken,
// or bytes 0 are.
alignas(16) inline constexpr std::uint8_t separator_table[16]{' ', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '-', '.', 0};
alignas(16) inline constexpr std::uint8_t opening_table[16]{'(', 0, 0, 0, 0, 0, 0, 0, '(', 0, 0, '+', 0, 0, 0, 0};

// Bit i: byte i of the block is of this class.
struct BlockMasks {
    std::uint64_t digit, zero, upper;
    std::uint64_t separator;  // blank, '-', '.'
    std::uint64_t at;         // '@'
    std::uint64_t opening;    // '+', '('
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

// Where eleven digits and separators in a row end: whatever digit_rules() finds has them (219-09-9999), most blocks
// have none. What breaks a run is spread over the ten bytes behind it, in four steps, each with what the block before
// carries over.
class Runs {
public:
    std::uint64_t add(const BlockMasks& masks) {
        const auto breaks = ~(masks.digit | masks.separator);
        const auto two = breaks | breaks << 1 | breaks_ >> 63;
        const auto four = two | two << 2 | two_ >> 62;
        const auto eight = four | four << 4 | four_ >> 60;
        const auto eleven = eight | eight << 3 | eight_ >> 61;
        breaks_ = breaks;
        two_ = two;
        four_ = four;
        eight_ = eight;
        return ~eleven;
    }

private:
    std::uint64_t breaks_ = ~std::uint64_t{0}, two_ = breaks_, four_ = breaks_, eight_ = breaks_;
};

// And where such a run ends, three digits do, or four pairs of digits: a date with its hour has neither.
inline std::uint64_t numbers(const BlockMasks& before, const BlockMasks& now) {
    const auto two = now.digit & (now.digit << 1 | before.digit >> 63);
    const auto three = two & (now.digit << 2 | before.digit >> 62);
    const auto pair = two & (now.separator << 2 | before.separator >> 62);
    // pairs in the block before are taken for granted
    return three | (pair & (pair << 3 | 0x7) & (pair << 6 | 0x3f) & (pair << 9 | 0x1ff));
}

// Bit i: two capitals and two digits end there, as an IBAN begins.
inline std::uint64_t countries(const BlockMasks& before, const BlockMasks& now) {
    return now.digit & (now.digit << 1 | before.digit >> 63) & (now.upper << 2 | before.upper >> 62) &
           (now.upper << 3 | before.upper >> 61);
}

// Where a block's bytes are read from. Past the end of the text nothing is read: the last block is read from where it
// ends there and shifted, which costs less than a copy.
struct Window {
    const char* bytes;       // of the block's first
    const char* classes;     // 64 bytes, for all masks but `word`
    const char* words;       // 64 bytes and word_table_bytes - 1 more
    unsigned classes_later;  // bytes by which the block begins behind `classes` (0 … 63)
    unsigned words_later;    // and behind `words` (0 … 66)
};

inline Window window_at(const ScanInput& input, std::size_t base, char (&padded)[readable_bytes]) {
    const char* from = input.text + base;
    const auto rest = input.size - base;
    if (rest >= readable_bytes) return {from, from, from, 0, 0};
    if (rest <= block_bytes && input.size >= readable_bytes) {
        const char* end = input.text + input.size;
        return {from, end - block_bytes, end - readable_bytes, static_cast<unsigned>(block_bytes - rest),
                static_cast<unsigned>(readable_bytes - rest)};
    }
    std::memset(padded, 0, sizeof padded);
    std::memcpy(padded, from, rest);
    return {padded, padded, padded, 0, 0};
}

// Of masks read too early: as if their block had begun where it does. The last three bytes of a text are no word's
// begin then: no rule matches three bytes alone.
inline BlockMasks shifted(const BlockMasks& m, const Window& window) {
    const auto by = window.classes_later;
    return {m.digit >> by,
            m.zero >> by,
            m.upper >> by,
            m.separator >> by,
            m.at >> by,
            m.opening >> by,
            window.words_later < block_bytes ? m.word >> window.words_later : 0};
}

// Lookup::load(classes, words, sets): the masks, those of classes[0 … 63] and `word` of words[0 … 63], and sets[i]
// where `word` has bit i. Reads word_table_bytes - 1 bytes behind those of words.
template <typename Lookup>
inline RuleMask scan(const ScanInput& input) {
    alignas(32) std::uint8_t sets[block_bytes];
    char padded[readable_bytes];
    const Lookup lookup(*input.tables);
    RuleMask found = 0;
    const auto each = [](std::uint64_t bits, auto on_bit) {
        for (; bits != 0; bits &= bits - 1) on_bit(static_cast<unsigned>(__builtin_ctzll(bits)));
    };
    const auto add = [&](RuleMask rules, std::size_t first, std::size_t last) {
        for (auto left = rules; left != 0; left &= left - 1) {
            const auto rule = __builtin_ctz(left);
            auto& range = input.ranges[rule];
            const bool known = (found >> rule & 1) != 0;
            range.first = known && range.first < first ? range.first : first;
            range.last = known && range.last > last ? range.last : last;
        }
        found |= rules;
    };
    // of digits only the block is known that they begin in
    const auto add_digits = [&](RuleMask rules, std::size_t block) { add(rules, block, block + block_bytes - 1); };
    BlockMasks before{};
    Runs runs;
    bool run_before = false, digit_before = false;
    for (std::size_t base = 0; base < input.size; base += block_bytes) {
        const auto window = window_at(input, base, padded);
        const auto now = shifted(lookup.load(window.classes, window.words, sets), window);
        each(now.word, [&](unsigned i) {
            const auto hash = word_start_hash(window.bytes + i);
            if ((input.tables->starts[hash / 64] >> hash % 64 & 1) != 0)
                add(input.word(input.context, base + i, sets[i + window.words_later]), base + i, base + i);
        });
        // what stands behind the block is not known here: the last bit counts
        const auto rare = now.at | (now.opening & (now.digit >> 1 | std::uint64_t{1} << 63));
        each(rare, [&](unsigned i) { add(input.rare(input.context, base + i), base + i, base + i); });
        each(countries(before, now), [&](unsigned i) {
            const auto at = base + i - 3;
            add(input.country(input.context, at), at, at);
        });
        const auto long_runs = runs.add(now);
        const bool run = long_runs != 0 && (long_runs & numbers(before, now)) != 0;
        if (base > 0 && (run || run_before)) add_digits(digit_rules(digit_before, before, now), base - block_bytes);
        digit_before = (before.digit >> 63) != 0;
        run_before = run;
        before = now;
    }
    if (run_before) add_digits(digit_rules(digit_before, before, {}), (input.size - 1) / block_bytes * block_bytes);
    return found;
}

}  // namespace
}  // namespace sonde
