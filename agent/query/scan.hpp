#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/query/filter.hpp"

namespace sonde {

struct ScannedFile {
    std::string path;
    std::uint64_t bytes = 0;
};

// Files as they are named; of a directory those that end in .jsonl, .jsonl.gz or .jsonl.zst, oldest first (by the time
// of their last change). Errors: a path that is not there, a directory without such a file.
Result<std::vector<ScannedFile>> find_event_files(const std::vector<std::string>& paths);

// Of one run over files.
struct ScanStats {
    std::uint64_t file_bytes = 0;  // as they lie on disk
    std::uint64_t bytes = 0;       // decompressed
    std::uint64_t lines = 0;
    std::uint64_t matched = 0;
    std::uint64_t damaged = 0;       // lines that are not JSON, or longer than 1 MiB
    std::uint64_t torn = 0;          // the last line of a file, cut off in the middle
    std::vector<std::string> where;  // the first few of them, and what could not be read: FILE:LINE, why
};

// Reads every line of every file once, in constant memory. A line that its filter leaves early is not checked to its
// end. match: false ends the scan. progress: about ten times a second. One thread.
ScanStats scan(const std::vector<ScannedFile>& files, LineFilter& filter,
               const std::function<bool(std::string_view line, const EventFields& fields)>& match,
               const std::function<void(const ScanStats&)>& progress = {});

}  // namespace sonde
