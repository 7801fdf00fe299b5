#pragma once

#include <cstdint>

#include "agent/sample/policy.hpp"

namespace sonde {

// Numbers that decide in place of dice: the same transaction gets the same ones from every agent that sees its trace.

// Finalizer of SplitMix64 (Steele, Lea, Flood 2014): every input bit moves every output bit.
constexpr std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
}

// Of the trace id where there is one. The id is hashed, not trusted: not every client makes random ones.
inline std::uint64_t sample_hash(const SampleInput& input) {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15U;
    const bool traced = (input.trace_high | input.trace_low) != 0;
    const auto high = traced ? input.trace_high : input.transaction.cookie;
    const auto low = traced ? input.trace_low : input.transaction.time_ns;
    return mix(mix(high + odd) + low);
}

// A further, independent number from the same hash.
constexpr std::uint64_t salted(std::uint64_t hash, std::uint64_t salt) {
    return mix(hash + salt * 0x9e3779b97f4a7c15U);
}

// 0 … 1, 53 bits of it.
constexpr double unit(std::uint64_t hash) { return static_cast<double>(hash >> 11U) * 0x1p-53; }

}  // namespace sonde
