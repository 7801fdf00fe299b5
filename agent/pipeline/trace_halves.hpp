#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>

namespace sonde {

// A trace id of 32 hex digits as two numbers, high and low, for the sampler; none: zeros.
inline std::pair<std::uint64_t, std::uint64_t> trace_halves(std::string_view trace_id) {
    std::uint64_t high = 0, low = 0;
    if (trace_id.size() != 32) return {0, 0};
    std::from_chars(trace_id.data(), trace_id.data() + 16, high, 16);
    std::from_chars(trace_id.data() + 16, trace_id.data() + 32, low, 16);
    return {high, low};
}

}  // namespace sonde
