#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/log/file_identity.hpp"
#include "agent/log/tail_options.hpp"

namespace sonde {

// A log file, or one of those that rotation made of it.
struct FoundFile {
    FileId id;
    std::string path;    // without symbolic links
    std::string family;  // path as the pattern matched it, of the file that rotation renames
    const LogFiles* files = nullptr;
    std::uint64_t size = 0;
    std::uint64_t modified_ns = 0;     // CLOCK_REALTIME
    bool current = false;              // the family's own path leads to it
    std::optional<std::string> front;  // what it begins with, if it was read (Fingerprint::size_max)
};

// What the patterns match, and the rotated files beside: those whose rotation_base is the name of a match. A family
// stays known while its file is away between two steps of a rotation. Not compressed ones. Tail thread only.
class FileScan {
public:
    explicit FileScan(const std::vector<LogFiles>& files) : files_(files) {}

    // A family that was known before a restart.
    void remember(const std::string& family);
    // Every file once, with the rotated ones before the current one, the older first: by time of modification, then by
    // rotation_number or date.
    std::vector<FoundFile> scan();
    // Folders to watch: those of the families, and those where a pattern may match some day.
    [[nodiscard]] const std::set<std::string>& folders() const { return folders_; }

private:
    struct Family {
        std::string folder, name;  // where the file is, without symbolic links
        const LogFiles* files = nullptr;
        bool seen = false;  // any of its files, in this scan
    };
    void match_patterns(std::vector<FoundFile>& out, std::set<FileId>& ids);
    void find_rotated(std::vector<FoundFile>& out, std::set<FileId>& ids);

    const std::vector<LogFiles>& files_;
    std::map<std::string, Family> families_;
    std::set<std::string> folders_;
};

}  // namespace sonde
