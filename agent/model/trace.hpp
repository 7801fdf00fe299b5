#pragma once

#include <cstdint>

#include "agent/base/inline_string.hpp"

namespace sonde {

// Where a transaction stands in a trace. Ids are lower-case hexadecimal; empty: not sent.
struct TraceContext {
    InlineString<32> trace_id;        // 128 bits
    InlineString<16> parent_span_id;  // the span id in the request's headers: the caller's
    InlineString<64> request_id;      // visible ASCII, as it came
    std::uint64_t span_id = 0;        // sonde's own name for this transaction; 0: none yet
};

}  // namespace sonde
