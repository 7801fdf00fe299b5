#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "agent/base/unique_fd.hpp"

namespace sonde {

// Tells when a file has become another one: written in place, replaced by rename, or reached through symbolic links
// that were swapped (Kubernetes mounts ConfigMaps as FILE → ..data/FILE, ..data → ..2026_01_02/, and renames ..data).
//
//   event in a directory ──► unsettled ── quiet for 200 ms, looks the same twice ──► settled: changed() once
//
// inotify on the file's directory, and on the one its links lead to, makes it prompt. Where events do not come (network
// file systems, a directory that was removed) a look every two seconds does. One thread.
class FileWatch {
public:
    explicit FileWatch(std::string file);

    // Readable when something happened in the directories; -1: only looks can tell.
    [[nodiscard]] int fd() const { return inotify_.get(); }
    // How long to wait for fd() before the next call of changed().
    [[nodiscard]] std::chrono::milliseconds next_look() const;
    // Reads the events, looks, and says whether the file is another one than at the last true, and at rest.
    bool changed();

private:
    using Clock = std::chrono::steady_clock;
    // Which file, and which state of it; all zeros: there is none.
    struct Look {
        std::uint64_t device = 0, inode = 0;
        std::int64_t size = 0, modified_ns = 0, status_ns = 0;
        bool operator==(const Look&) const = default;
    };
    [[nodiscard]] Look look() const;
    void watch_directories();
    bool read_events();

    const std::string file_;
    UniqueFd inotify_;
    Look reported_;
    Look latest_;
    bool unsettled_ = false;
    Clock::time_point settled_at_{};
};

}  // namespace sonde
