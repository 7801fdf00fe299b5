#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace sonde {

// Longest segment that may stand in a route by itself; a longer one is {token} unless a rule knows it.
inline constexpr std::size_t max_segment_bytes = 64;

// One segment of a route: a placeholder ("{id}"), the word itself, or a file name with its variable part replaced
// ("app.{hash}.js", then `text` lies in the caller's buffer).
struct RouteSegment {
    std::string_view text;
    bool word = false;  // not a pure placeholder: a parent may have only so many of these
};

// Room for a rewritten file name. Only a stem shorter than its placeholder makes it longer ("1.js" → "{id}.js"):
// a part has to have 8 bytes to become "{hash}".
using SegmentBuffer = std::array<char, max_segment_bytes + 16>;

// What one segment of a path (without '/' and ';' parameters) becomes in a route:
//
//   42, -7, 10.0.0.1, order-123456                     {id}
//   9b2f6c1e-…-…-…-… (8-4-4-4-12 hex)                  {uuid}
//   8 and more hex digits with digits and letters,
//   16 and more with a digit, 0x…                      {hash}
//   2024-01-31, 2024-01, 2024-01-31T12:00:00Z          {date}
//   someone@example.com, someone%40example.com         {email}
//   ULID, base64, prefixed ids (cus_9s6XKzkNRiz8i3), longer than max_segment_bytes, not printable ASCII,
//   quotes and braces (a client cannot forge a placeholder)   {token}
//   app.3f2a9c81.js, 1234.jpg                          app.{hash}.js, {id}.jpg
//   everything else                                    as it is, percent-encoding kept
RouteSegment classify_segment(std::string_view segment, SegmentBuffer& buffer);

}  // namespace sonde
