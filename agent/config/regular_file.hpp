#pragma once

#include <cstddef>
#include <string>

#include "agent/base/result.hpp"

namespace sonde {

inline constexpr std::size_t max_secret_bytes = 64 << 10;

// All of a regular file. The error's text goes on after the file's name: "is a directory". Never waits for a pipe.
Result<std::string> read_regular_file(const std::string& path, std::size_t max_bytes);

// What a KEY_file names: its text without the line's end, not empty. Who may read the file is not looked at:
// orchestrators mount secrets readable by all of a container.
Result<std::string> read_secret_file(const std::string& path);

}  // namespace sonde
