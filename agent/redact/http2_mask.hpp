#pragma once

#include <span>

#include "agent/protocol/http2_frame.hpp"

namespace sonde {

// Makes the header blocks of an HTTP/2 record unreadable, in place and length-preserving: what they hold may be secret
// and, compressed, cannot be told field from field without all that came before. Frames, sizes and times stay, so a
// replay gives each stream with its head unobserved.
void mask_http2(const Http2Piece& piece, std::span<char> bytes);

}  // namespace sonde
