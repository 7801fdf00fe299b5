#pragma once

#include <cstdint>
#include <string_view>

#include "agent/model/trace.hpp"

namespace sonde {

// Header values as they came, empty where there was none; views into the head.
struct TraceHeaders {
    std::string_view traceparent;     // W3C Trace Context, levels 1 and 2, §3.2
    std::string_view b3;              // B3 single header
    std::string_view b3_trace_id;     // X-B3-TraceId
    std::string_view b3_span_id;      // X-B3-SpanId
    std::string_view amzn_trace_id;   // X-Amzn-Trace-Id
    std::string_view trace_id;        // X-Trace-Id
    std::string_view request_id;      // X-Request-ID
    std::string_view correlation_id;  // X-Correlation-ID

    // Takes the header if it is one of these. name: in any case.
    bool take(std::string_view name, std::string_view value);
};

// What the headers say, strictly: an id that breaks its format (upper case in traceparent, all zeros, wrong length)
// is none, and the next header is asked. In this order: traceparent, b3, X-B3-*, X-Amzn-Trace-Id, X-Trace-Id. Ids of
// 64 bits are widened with zeros on the left. The span id is left alone.
TraceContext trace_context(const TraceHeaders& headers);

}  // namespace sonde
