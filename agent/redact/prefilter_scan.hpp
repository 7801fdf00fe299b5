#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/redact/pattern.hpp"

// The byte search of prefilter.hpp, once per instruction set. Plain types only: prefilter_avx2.cpp is compiled for
// another processor, and no inline function of a library may be emitted there and then used everywhere.
namespace sonde {

// All find the same.
enum class Isa : std::uint8_t { scalar, ssse3, avx2 };
Isa best_isa();

// Of a word its first four bytes are looked up; a shorter one lets any byte stand behind it.
inline constexpr int word_table_bytes = 4;

inline constexpr int word_start_hash_bits = 12;

// Byte i of a word may be in set s when bit s is set in both low[i][c & 15] and high[i][c >> 4].
struct WordTables {
    alignas(16) std::uint8_t low[word_table_bytes][16];
    alignas(16) std::uint8_t high[word_table_bytes][16];
    // A set lets mixtures of its words' bytes through: these bits tell most of them from words (word_start_hash()).
    std::uint64_t starts[(1 << word_start_hash_bits) / 64];
};

// Of a word's first three bytes, case set aside: a bit of WordTables::starts.
static inline unsigned word_start_hash(const char* p) {
    const auto byte = [p](int i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(p[i]) | 0x20U); };
    constexpr std::uint32_t multiplier = 0x9e3779b1;  // of Fibonacci hashing
    return (byte(0) | byte(1) << 8 | byte(2) << 16) * multiplier >> (32 - word_start_hash_bits);
}

// Where what makes a rule a candidate begins, first and last in the text; valid for the rules found.
struct RuleRange {
    std::size_t first, last;
};
inline constexpr std::size_t rule_range_count = 8 * sizeof(RuleMask);

struct ScanInput {
    const WordTables* tables;
    const char* text;
    std::size_t size;
    const void* context;
    // Words of these sets (a bit each) may start at text[at]: which rules do they make candidates?
    RuleMask (*word)(const void* context, std::size_t at, unsigned sets);
    // There is '@', or '+' or '(' and a digit, at text[at].
    RuleMask (*rare)(const void* context, std::size_t at);
    // Two capitals and two digits begin at text[at].
    RuleMask (*country)(const void* context, std::size_t at);
    RuleRange* ranges;  // rule_range_count of them
};

RuleMask scan_scalar(const ScanInput& input);
RuleMask scan_ssse3(const ScanInput& input);
RuleMask scan_avx2(const ScanInput& input);

}  // namespace sonde
