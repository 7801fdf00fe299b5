#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "agent/protocol/forwarded.hpp"
#include "agent/protocol/parse_state.hpp"
#include "agent/protocol/trace_context.hpp"

// Heads of HTTP/1.0 and HTTP/1.1 messages (RFC 9112). No allocation, no exception; views point into the input.
namespace sonde {

struct Http1Limits {
    std::size_t max_head_bytes = 65536;
    std::size_t max_headers = 256;
    const TraceHeaderNames* trace_headers = &TraceHeaderNames::defaults();  // outlive the call
};

// Headers that decide where a message ends (RFC 9112 §6).
struct Framing {
    std::optional<std::uint64_t> content_length;
    bool chunked = false;            // the last transfer coding
    bool transfer_encoding = false;  // present, whatever it says: Content-Length is void (§6.3)
    bool invalid = false;            // contradictory lengths
    bool connection_close = false;
    bool keep_alive = false;
    bool upgrade = false;
    bool upgrade_h2c = false;  // to HTTP/2 (RFC 7540 §3.2)
};

// With need_more, the request line and the header lines that are complete have been filled in: the kernel captures
// the beginning of a long head only.
struct RequestHead : Framing {
    ParseState state = ParseState::need_more;
    bool is_http2_preface = false;  // with invalid: "PRI * HTTP/2.0" (RFC 9113 §3.4)
    bool expect_continue = false;
    int minor_version = 1;
    std::size_t consumed = 0;  // bytes up to and with the empty line; done only
    std::string_view method;
    std::string_view target;     // as it stands in the request line
    std::string_view path;       // of origin and absolute form, without query and fragment; "*" of asterisk form
    std::string_view authority;  // of absolute and authority form
    std::string_view host;
    std::string_view user_agent;
    TraceHeaders trace;
    ForwardedHeaders forwarded;
};

struct ResponseHead : Framing {
    ParseState state = ParseState::need_more;
    int minor_version = 1;
    bool websocket = false;  // it has Sec-WebSocket-Accept (RFC 6455 §4.2.2)
    int status = 0;          // 100 … 999; 0 until the status line is complete
    std::size_t consumed = 0;
};

RequestHead parse_request_head(std::span<const char> bytes, const Http1Limits& limits);
ResponseHead parse_response_head(std::span<const char> bytes, const Http1Limits& limits);

// How a message's body is delimited (RFC 9112 §6.3).
enum class BodyFraming : std::uint8_t { none, length, chunked, until_close, tunnel };

BodyFraming request_framing(const RequestHead& head);
BodyFraming response_framing(std::string_view request_method, const ResponseHead& head);

// The last bytes of a segment of segment_bytes, right-aligned, close a chunked body without trailers (§7.1).
bool ends_with_last_chunk(std::span<const unsigned char, 8> tail, std::uint32_t segment_bytes);

}  // namespace sonde
