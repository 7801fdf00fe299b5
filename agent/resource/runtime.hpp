#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sonde {

// What a process runs on: language runtime or server. Both may be empty: not known.
struct Runtime {
    std::string name;     // "python", "node", "java", "go", "ruby", "php", "perl", "dotnet", "nginx", …
    std::string version;  // as cheap as it comes: "3.11", "17.0.9", "go1.21.4"
};

// By the executable's path: "/usr/bin/python3.11", "/usr/sbin/nginx".
Runtime runtime_from_executable(std::string_view exe);
// By the libraries in the text of /proc/PID/maps: interpreters that are embedded (libpython3.11.so in uwsgi).
Runtime runtime_from_maps(std::string_view maps);
// The toolchain's version in the section .go.buildinfo (runtime/debug and debug/buildinfo of Go 1.18 and later);
// empty: none. bytes: the section, or its beginning; in the hands of whoever made the file.
std::string go_version(std::span<const unsigned char> bytes);

// All of the above for a living process, and Java's "release" file. Reads at most about 100 KiB.
Runtime detect_runtime(std::uint32_t pid, std::string_view exe, const std::string& proc_root = "/proc");

}  // namespace sonde
