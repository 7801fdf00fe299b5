#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>

namespace sonde {

// Resident memory of this process, bytes, as /proc/self/statm has it (it may lag by a few dozen pages per thread:
// proc(5)); 0: not readable.
inline std::uint64_t own_resident_bytes() {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "re"), std::fclose);
    unsigned long long total = 0, resident = 0;
    if (!file || std::fscanf(file.get(), "%llu %llu", &total, &resident) != 2) return 0;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace sonde
