#include "agent/config/watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

namespace sonde {
namespace {

namespace fs = std::filesystem;

constexpr auto quiet = std::chrono::milliseconds(200);
constexpr auto look_every = std::chrono::milliseconds(2000);
constexpr std::uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB;

std::int64_t ns(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

}  // namespace

FileWatch::FileWatch(std::string file)
    : file_(std::move(file)),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      reported_(look()),
      latest_(reported_) {
    watch_directories();
}

FileWatch::Look FileWatch::look() const {
    struct stat info {};
    if (::stat(file_.c_str(), &info) != 0) return {};
    return {info.st_dev, info.st_ino, info.st_size, ns(info.st_mtim), ns(info.st_ctim)};
}

// Adding a directory that is watched already changes nothing, so it is done again whenever links may have moved.
void FileWatch::watch_directories() {
    if (!inotify_) return;
    std::error_code error;
    for (const auto& path : {fs::absolute(file_, error), fs::canonical(file_, error)})
        if (path.has_parent_path())
            ::inotify_add_watch(inotify_.get(), path.parent_path().c_str(), events | IN_ONLYDIR);
}

bool FileWatch::read_events() {
    alignas(inotify_event) std::array<char, 4096> buffer;
    bool any = false;
    // what happened does not matter: the look says it
    while (inotify_ && ::read(inotify_.get(), buffer.data(), buffer.size()) > 0) any = true;
    return any;
}

std::chrono::milliseconds FileWatch::next_look() const {
    if (!unsettled_) return look_every;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(settled_at_ - Clock::now());
    return std::max(left, std::chrono::milliseconds(0)) + std::chrono::milliseconds(1);
}

bool FileWatch::changed() {
    const auto now = Clock::now();
    read_events();
    const auto seen = look();
    if (seen != latest_) {
        latest_ = seen;
        unsettled_ = true;
        settled_at_ = now + quiet;
        return false;
    }
    if (!unsettled_ || now < settled_at_) return false;
    unsettled_ = false;
    watch_directories();
    if (latest_ == reported_) return false;
    reported_ = latest_;
    return true;
}

}  // namespace sonde
