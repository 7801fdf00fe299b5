#include <algorithm>

#include "agent/config/sections.hpp"

namespace sonde {
namespace {

// A header's name (RFC 9110 §5.1).
std::string wrong_name(const std::string& name) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    constexpr std::size_t longest = 64;
    const auto is_token = [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               others.find(c) != std::string_view::npos;
    };
    if (name.empty() || name.size() > longest || !std::all_of(name.begin(), name.end(), is_token))
        return "expected a header's name, found '" + name + "'";
    return {};
}

}  // namespace

void describe_traces(Section<Config>& config) {
    config
        .object(
            "traces", &Config::trace_headers,
            "Headers that name traces and requests. `traceparent`, `b3`, `X-B3-*` and `X-Amzn-Trace-Id` are read in "
            "any case and come first; of these lists the first that is there counts.",
            [](Section<TraceHeaderNames>& s) {
                s.texts("trace_id_headers", &TraceHeaderNames::trace_id,
                        "Headers with a trace id of 32 or 16 hexadecimal digits, at most 8.")
                    .at_most(TraceHeaderNames::names_max)
                    .check(wrong_name);
                s.texts("request_id_headers", &TraceHeaderNames::request_id,
                        "Headers with an id of the request, any visible text, at most 8.")
                    .at_most(TraceHeaderNames::names_max)
                    .check(wrong_name);
            })
        .reloadable();
}

}  // namespace sonde
