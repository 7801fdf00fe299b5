#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/base/inline_string.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// A request that was sent while another was served.
struct DownstreamCall {
    std::uint64_t span_id = 0;      // of its own transaction
    std::uint64_t start_ns = 0;     // since the first byte of the request that was served
    std::int64_t duration_ns = -1;  // -1: it had not ended when that request did
    std::uint16_t status = 0;       // 0: not observed
    Outcome outcome = Outcome::unobserved;
    Protocol protocol = Protocol::http1_1;
    ParentMatch match = ParentMatch::none;
    InlineString<16> method;
    std::string_view route;    // interned, as is the next
    std::string_view service;  // who answered; empty: not on this machine, or not seen there in time
    Endpoint peer;             // family 0: not known
};

// The calls that were made while a request was served, in the order in which they were sent. Immutable once its
// transaction has been passed on.
struct DownstreamCalls {
    static constexpr std::size_t calls_max = 16;

    std::array<DownstreamCall, calls_max> calls;
    std::uint32_t count = 0;
    std::uint32_t dropped = 0;    // number of calls beyond calls_max
    std::uint64_t waited_ns = 0;  // of the time from the request's read to its answer, that with a call under way

    [[nodiscard]] const DownstreamCall* begin() const { return calls.data(); }
    [[nodiscard]] const DownstreamCall* end() const { return calls.data() + count; }
};

}  // namespace sonde
