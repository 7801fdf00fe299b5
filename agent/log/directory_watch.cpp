#include "agent/log/directory_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sonde {

DirectoryWatch::DirectoryWatch()
    : inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

bool DirectoryWatch::add(const std::string& folder) {
    if (!inotify_) return false;
    const int watch = ::inotify_add_watch(inotify_.get(), folder.c_str(),
                                          IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
    if (watch < 0) {
        ++refused_;
        return false;
    }
    return folders_.insert_or_assign(watch, folder).second;
}

void DirectoryWatch::read_events() {
    alignas(inotify_event) std::array<char, 65536> buffer;
    while (true) {
        const auto got = ::read(inotify_.get(), buffer.data(), buffer.size());
        if (got <= 0) return;
        for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
            inotify_event event;
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* const name = buffer.data() + at + sizeof event;
            at += sizeof event + event.len;
            const auto folder = folders_.find(event.wd);
            if (event.mask & IN_IGNORED) {
                if (folder != folders_.end()) folders_.erase(folder);
                changes_.names = true;
            } else if (event.mask == IN_MODIFY && event.len > 0 && folder != folders_.end()) {
                auto path = folder->second + '/' + name;
                if (changes_.grown.empty() || changes_.grown.back() != path) changes_.grown.push_back(std::move(path));
            } else {
                changes_.names = true;  // a name came or went, or the queue overflowed
            }
        }
    }
}

const DirectoryWatch::Changes& DirectoryWatch::wait(int timeout_ms) {
    changes_.grown.clear();
    changes_.names = false;
    std::array<pollfd, 2> waited{pollfd{wake_.get(), POLLIN, 0}, pollfd{inotify_.get(), POLLIN, 0}};
    ::poll(waited.data(), inotify_ ? 2 : 1, timeout_ms);
    if (inotify_) read_events();
    std::uint64_t count = 0;
    if (::read(wake_.get(), &count, sizeof count) < 0) count = 0;
    std::sort(changes_.grown.begin(), changes_.grown.end());
    changes_.grown.erase(std::unique(changes_.grown.begin(), changes_.grown.end()), changes_.grown.end());
    return changes_;
}

void DirectoryWatch::wake() {
    const std::uint64_t one = 1;
    // full: a wake-up is on its way already
    if (::write(wake_.get(), &one, sizeof one) < 0) return;
}

}  // namespace sonde
