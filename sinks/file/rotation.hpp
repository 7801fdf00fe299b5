#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sonde {

enum class Compression : unsigned char { none, zstd, gzip };

// What follows ".jsonl" in the name of a file: "", ".zst", ".gz".
std::string_view suffix_of(Compression compression);

// A file that was written to once: `<stem>-20260102T030405.123Z.jsonl`, `.zst` or `.gz` behind it when compressed.
// The time is that of the rotation, UTC: no line in the file is younger. Names sort by age.
struct RotatedFile {
    std::string name;            // in its directory
    std::uint64_t stamp_ms = 0;  // since 1970-01-01T00:00Z
    std::uint64_t bytes = 0;     // size of the file
    Compression compression = Compression::none;
    bool partial = false;  // `.tmp` behind it: a compression that has not ended, or never will
};

// Which rotated files are deleted, the oldest first. Every bound counts by itself; 0: no such bound.
struct RetentionOptions {
    std::uint32_t max_files = 0;                  // number of rotated files
    std::uint64_t max_age_s = 0;                  // seconds since the rotation
    std::uint64_t max_total_bytes = 2ULL << 30U;  // all rotated files and the current one, bytes
    bool free_space_when_full = true;             // ENOSPC, EDQUOT: delete the oldest until the write succeeds
};

std::string rotated_name(std::string_view stem, std::uint64_t stamp_ms);
// nullopt: not the name of a file that `stem` was rotated to. `bytes` is 0.
std::optional<RotatedFile> parse_rotated_name(std::string_view stem, std::string_view name);

// The rotated files of `stem` in `directory`, the oldest first. Empty where the directory cannot be read.
std::vector<RotatedFile> list_rotated(const std::string& directory, std::string_view stem);

// Number of files at the front of `files` (oldest first) that are to go. `current_bytes`: size that the current file
// has or may grow to.
std::size_t expired_count(std::span<const RotatedFile> files, const RetentionOptions& options, std::uint64_t now_ms,
                          std::uint64_t current_bytes);

// Before the first rotation of a process: removes compressions that a crash left half done, and plain files whose
// compressed copy is complete (it gets its name only then).
void clean_rotated(const std::string& directory, std::string_view stem);

}  // namespace sonde
