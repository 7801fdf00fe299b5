#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/base/inline_string.hpp"

namespace sonde {

// How sonde knows in which request a call was made, or which call asked for a request (docs/parent_links.md):
//   trace       its headers carry the trace or request id of exactly one open request of the process
//   connection  the request came over the connection on which a process of this machine had sent that call
//   thread      the thread that sent it was serving that request, in a process whose threads serve one at a time
//   process     it was the only open request of the process
enum class ParentMatch : std::uint8_t { none, trace, connection, thread, process };
constexpr std::size_t parent_match_count = 5;
constexpr std::array<std::string_view, parent_match_count> parent_match_names{"none", "trace", "connection", "thread",
                                                                              "process"};
constexpr std::string_view to_string(ParentMatch match) { return parent_match_names[static_cast<std::size_t>(match)]; }

// Where a transaction stands in a trace. Ids are lower-case hexadecimal; empty: not sent.
struct TraceContext {
    InlineString<32> trace_id;        // 128 bits
    InlineString<16> parent_span_id;  // the span id in the request's headers: the caller's
    InlineString<64> request_id;      // visible ASCII, as it came
    std::uint64_t span_id = 0;        // sonde's own name for this transaction; 0: none yet
    std::uint64_t parent = 0;         // span_id of the transaction that this one belongs to; 0: not known
    ParentMatch parent_match = ParentMatch::none;
};

}  // namespace sonde
