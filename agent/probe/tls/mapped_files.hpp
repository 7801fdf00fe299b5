#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sonde {

// A file that a process has mapped executable. Device and inode are those of /proc/PID/maps: the same for every
// process that maps the file, whatever its mount namespace.
struct MappedFile {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::string name;  // as the process sees it
    std::string path;  // that opens it from here, as long as the process has it mapped

    friend bool operator==(const MappedFile&, const MappedFile&) = default;
};

// From the text of /proc/PID/maps; each file once, anonymous memory and special files left out.
// process_root: "/proc/PID" (its `root` and `map_files` are used).
std::vector<MappedFile> parse_mapped_files(std::string_view maps, const std::string& process_root);
// Empty where the process is gone or may not be looked at.
std::vector<MappedFile> mapped_files(std::uint32_t pid);
// Processes now alive, kernel threads included.
std::vector<std::uint32_t> running_processes();

}  // namespace sonde
