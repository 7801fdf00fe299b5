#pragma once

#include <cstdint>

namespace sonde {

// Names a transaction by its socket, its first byte's position and its time (CLOCK_MONOTONIC): never zero, and not the
// same again on this machine (SplitMix64's finaliser).
inline std::uint64_t span_id_of(std::uint64_t cookie, std::uint32_t seq, std::uint64_t first_ns) {
    auto x = (cookie << 32 ^ seq) + first_ns * 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    x ^= x >> 31;
    return x != 0 ? x : 1;
}

}  // namespace sonde
