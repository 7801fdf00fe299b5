#pragma once

#include <string>
#include <string_view>

namespace sonde {

// RFC 1952, at zlib's level 3: most of the gain for a third of the time. Empty: zlib could not get memory.
std::string gzip(std::string_view data);

}  // namespace sonde
