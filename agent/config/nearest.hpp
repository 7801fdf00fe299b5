#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sonde {

// The candidate that a writer of `word` most likely meant: fewest edits (a letter changed, added, left out, or two
// swapped), at most a third of the word. Empty: none is near. Case and the difference of '-' and '_' cost nothing.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace sonde
