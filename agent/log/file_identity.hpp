#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sonde {

// A file whatever its name: rename keeps it, delete and create does not (but may give the inode to another file).
struct FileId {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    auto operator<=>(const FileId&) const = default;
};

// What a file begins with, to tell a file that was truncated or whose inode was given away from one that only grew.
struct Fingerprint {
    static constexpr std::uint32_t size_max = 1024;
    std::uint32_t size = 0;  // bytes of the front that are hashed; 0: the file was empty, and any file matches
    std::uint64_t hash = 0;
    auto operator<=>(const Fingerprint&) const = default;
};

// Of the first size_max bytes of front.
Fingerprint fingerprint_of(std::string_view front);
// Whether a file that begins with front (as much of it as there is, up to size_max) can be the one: it is at least as
// long as what was hashed, and begins with it.
bool matches(const Fingerprint& fingerprint, std::string_view front);

// The name a rotated file had: "app.log.1", "app.log-20260102", "app.log.2026-01-02_03", "app-20260102.log",
// "app.1.log" and "app.log.old" had "app.log". Empty: the name shows no rotation, or the file is compressed.
std::string rotation_base(std::string_view name);
// The number that rotation gave the file, the older the larger: 1 in "app.log.1" and "app.1.log". 0: its name has none,
// or a date.
unsigned rotation_number(std::string_view name);

}  // namespace sonde
