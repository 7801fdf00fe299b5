#pragma once

#include <span>

namespace sonde {

// Masks, in place and length-preserving, whatever may be secret in captured HTTP/1 bytes of a recording: header
// values that are not on a short list of harmless ones, query strings, user information in targets, and bodies.
// Message boundaries parse as before. continued: the bytes continue an earlier segment, so nothing tells a header
// from a body: all but line ends is masked.
void mask_head(std::span<char> head, bool continued);

}  // namespace sonde
