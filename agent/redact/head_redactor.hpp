#pragma once

#include <span>

#include "agent/redact/redactor.hpp"

namespace sonde {

// What mask_head() leaves in captured HTTP/1 bytes (head_mask.hpp), the path and the values of harmless headers, goes
// through the redactor here: what it finds is masked in place, length-preserving, so that message boundaries parse as
// before. Where the capture ends inside a path or a value, its last word is masked too: what is left of a secret
// matches no pattern.
void redact_head(std::span<char> head, bool continued, Redactor& redactor);

}  // namespace sonde
