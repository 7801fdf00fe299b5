#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/trace.hpp"

namespace sonde {

// Names of headers, in lower case, beside those that have a standard. Of each list the first that is there counts.
struct TraceHeaderNames {
    static constexpr std::size_t names_max = 8;  // of each list; more are not asked

    std::vector<std::string> trace_id{"x-trace-id"};                          // 32 or 16 hexadecimal digits
    std::vector<std::string> request_id{"x-request-id", "x-correlation-id"};  // any visible text

    bool operator==(const TraceHeaderNames&) const = default;
    // As heads are compared with.
    [[nodiscard]] TraceHeaderNames in_lower_case() const;
    static const TraceHeaderNames& defaults();
};

// Header values as they came, empty where there was none; views into the head.
struct TraceHeaders {
    std::string_view traceparent;                                         // W3C Trace Context, levels 1 and 2, §3.2
    std::string_view b3;                                                  // B3 single header
    std::string_view b3_trace_id;                                         // X-B3-TraceId
    std::string_view b3_span_id;                                          // X-B3-SpanId
    std::string_view amzn_trace_id;                                       // X-Amzn-Trace-Id
    std::array<std::string_view, TraceHeaderNames::names_max> trace_ids;  // in the order of the names
    std::array<std::string_view, TraceHeaderNames::names_max> request_ids;

    TraceHeaders() : TraceHeaders(TraceHeaderNames::defaults()) {}
    // names outlive it.
    explicit TraceHeaders(const TraceHeaderNames& names) : names_(&names) {}

    // Takes the header if it is one of these. name: in any case.
    bool take(std::string_view name, std::string_view value);

private:
    const TraceHeaderNames* names_;
};

// What the headers say, strictly: an id that breaks its format (upper case in traceparent, all zeros, wrong length)
// is none, and the next header is asked. In this order: traceparent, b3, X-B3-*, X-Amzn-Trace-Id, the names of trace
// ids. Ids of 64 bits are widened with zeros on the left. The span id is left alone.
TraceContext trace_context(const TraceHeaders& headers);

}  // namespace sonde
