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

// Byte i of a word may be in set s when bit s is set in both low[i][c & 15] and high[i][c >> 4].
struct WordTables {
    alignas(16) std::uint8_t low[word_table_bytes][16];
    alignas(16) std::uint8_t high[word_table_bytes][16];
};

struct ScanInput {
    const WordTables* tables;
    const char* text;
    std::size_t size;
    const void* context;
    // Words of these sets (a bit each) may start at text[at]: which rules do they make candidates?
    RuleMask (*word)(const void* context, std::size_t at, unsigned sets);
    // There is '@', '+' or '(' at text[at].
    RuleMask (*rare)(const void* context, std::size_t at);
    // Two capitals and two digits begin at text[at].
    RuleMask (*country)(const void* context, std::size_t at);
};

RuleMask scan_scalar(const ScanInput& input);
RuleMask scan_ssse3(const ScanInput& input);
RuleMask scan_avx2(const ScanInput& input);

}  // namespace sonde
