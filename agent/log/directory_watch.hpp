#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/base/unique_fd.hpp"

namespace sonde {

// inotify(7) on folders. Where it is not to be had (no instance or watch left), everything is seen at the next scan
// instead: working() says so. One thread at a time, but for wake().
class DirectoryWatch {
public:
    DirectoryWatch();

    // Watches a folder; again is no harm. Folders that are gone fall out by themselves. true: it was not watched
    // before.
    bool add(const std::string& folder);

    struct Changes {
        std::vector<std::string> grown;  // paths of files that were written to
        bool names = false;              // files came, went or were renamed, or events were lost: look at the folders
    };
    // Waits for changes, for timeout_ms at most, and takes all there are. The result lives until the next call.
    const Changes& wait(int timeout_ms);
    // Ends a wait at once. Any thread.
    void wake();

    [[nodiscard]] bool working() const { return static_cast<bool>(inotify_); }
    [[nodiscard]] std::uint64_t refused() const { return refused_; }  // folders that could not be watched

private:
    void read_events();

    UniqueFd inotify_;
    UniqueFd wake_;
    std::map<int, std::string> folders_;  // by watch descriptor
    Changes changes_;
    std::uint64_t refused_ = 0;
};

}  // namespace sonde
