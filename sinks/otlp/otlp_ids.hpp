#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sonde {

constexpr std::size_t otlp_trace_id_bytes = 16, otlp_span_id_bytes = 8;

// Bytes of lower-case hexadecimal text, with zeros in front up to `size`; false: it is none, or an id that is not
// allowed (zero).
bool bytes_of_hex(std::string_view text, std::size_t size, std::string& out);

// Big endian, as ids are shown.
std::string bytes_of_span_id(std::uint64_t span_id);

// Of a request that named no trace: it follows from the request's span id (random already), so that its log lines get
// the same without knowing of each other. Never zero.
std::string trace_id_of_span(std::uint64_t span_id);

}  // namespace sonde
