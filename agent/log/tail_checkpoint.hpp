#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/log/file_identity.hpp"

namespace sonde {

// How far one file was read.
struct FileCheckpoint {
    FileId id;
    Fingerprint fingerprint;
    std::uint64_t offset = 0;  // all before it was handed over and is safe
    std::uint64_t order = 0;   // among the files of its family: the older first
    std::string family;        // path of the file that rotation renames
    std::string path;          // where it was last
};

struct TailCheckpoint {
    std::uint64_t scanned_ns = 0;  // CLOCK_REALTIME of the last look at the folders: what changed later may be new
    std::vector<FileCheckpoint> files;
};

// Text, one line per file, closed by a line with a checksum: a torn or changed checkpoint is refused as a whole.
std::string to_text(const TailCheckpoint& checkpoint);
Result<TailCheckpoint> parse_checkpoint(std::string_view text);

// Written beside, synced, and renamed: there always is a whole one, also after the machine lost its power. Errors name
// the path.
Status write_checkpoint(const std::string& path, const TailCheckpoint& checkpoint);
// No file is an empty checkpoint with scanned_ns 0. A broken one is an error.
Result<TailCheckpoint> read_checkpoint(const std::string& path);

}  // namespace sonde
