#include "agent/wait/wait_cause.hpp"

#include <sys/syscall.h>

#include <charconv>
#include <cstdint>

namespace sonde {
namespace {

// What each call waits for; by_file: its first argument is a descriptor that tells.
enum class Kind : std::uint8_t { by_file, disk, network, lock, sleep, process, select, poll, other };

Kind kind_of(long number) {
    switch (number) {
        case SYS_read:
        case SYS_readv:
        case SYS_write:
        case SYS_writev:
        case SYS_ioctl:
        case SYS_fcntl:
            return Kind::by_file;
        case SYS_sendfile:  // to its first descriptor, a socket as a rule
        case SYS_splice:
        case SYS_connect:
        case SYS_accept:
        case SYS_accept4:
        case SYS_sendto:
        case SYS_recvfrom:
        case SYS_sendmsg:
        case SYS_recvmsg:
        case SYS_sendmmsg:
        case SYS_recvmmsg:
        case SYS_shutdown:
        case SYS_close:  // a socket's with SO_LINGER; of a file it seldom waits
        case SYS_epoll_pwait:
        case SYS_epoll_pwait2:
#ifdef SYS_epoll_wait
        case SYS_epoll_wait:
#endif
            return Kind::network;
        case SYS_pselect6:
#ifdef SYS_select
        case SYS_select:
#endif
            return Kind::select;
        case SYS_ppoll:
#ifdef SYS_poll
        case SYS_poll:
#endif
            return Kind::poll;
        case SYS_pread64:
        case SYS_pwrite64:
        case SYS_preadv:
        case SYS_pwritev:
        case SYS_preadv2:
        case SYS_pwritev2:
        case SYS_fsync:
        case SYS_fdatasync:
        case SYS_sync:
        case SYS_syncfs:
        case SYS_sync_file_range:
        case SYS_msync:
        case SYS_ftruncate:
        case SYS_truncate:
        case SYS_fallocate:
        case SYS_copy_file_range:
        case SYS_openat:
        case SYS_openat2:
        case SYS_getdents64:
        case SYS_newfstatat:
        case SYS_statx:
        case SYS_fstat:
        case SYS_unlinkat:
        case SYS_mkdirat:
        case SYS_renameat2:
        case SYS_flock:
        case SYS_io_getevents:
#ifdef SYS_open
        case SYS_open:
        case SYS_stat:
        case SYS_lstat:
        case SYS_unlink:
        case SYS_mkdir:
        case SYS_rename:
        case SYS_getdents:
#endif
            return Kind::disk;
        case SYS_futex:
#ifdef SYS_futex_waitv
        case SYS_futex_waitv:
#endif
            return Kind::lock;
        case SYS_nanosleep:
        case SYS_clock_nanosleep:
#ifdef SYS_pause
        case SYS_pause:
#endif
            return Kind::sleep;
        case SYS_wait4:
        case SYS_waitid:
        case SYS_clone:  // vfork: until the child executes
        case SYS_clone3:
#ifdef SYS_vfork
        case SYS_vfork:
#endif
            return Kind::process;
        default:
            return Kind::other;
    }
}

// The next number of `text`, decimal or 0x…, which is taken off it.
template <typename Number>
std::optional<Number> take_number(std::string_view& text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    const bool is_hex = text.starts_with("0x");
    if (is_hex) text.remove_prefix(2);
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, is_hex ? 16 : 10);
    if (error != std::errc()) return {};
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

WaitCause cause_of_target(std::string_view target) {
    if (target.starts_with("socket:")) return WaitCause::network;
    if (target.starts_with("pipe:")) return WaitCause::process;
    if (target.starts_with("anon_inode:[eventfd]")) return WaitCause::lock;
    if (target.starts_with("anon_inode:[timerfd]")) return WaitCause::sleep;
    // terminals and other devices are read like files and are none
    if (target.starts_with("/dev/")) return WaitCause::other;
    return target.starts_with("/") ? WaitCause::disk : WaitCause::other;
}

}  // namespace

std::optional<WaitCause> wait_cause(std::string_view syscall, const std::function<std::string(unsigned)>& target_of) {
    if (syscall.starts_with("running")) return {};
    const auto number = take_number<long>(syscall);
    if (!number) return WaitCause::other;
    if (*number < 0) return WaitCause::memory;
    const auto first = take_number<std::uint64_t>(syscall);
    const auto second = take_number<std::uint64_t>(syscall);
    if (!first || !second) return WaitCause::other;
    switch (kind_of(*number)) {
        case Kind::by_file:
            return cause_of_target(target_of(static_cast<unsigned>(*first)));
        case Kind::disk:
            return WaitCause::disk;
        case Kind::network:
            return WaitCause::network;
        case Kind::lock:
            return WaitCause::lock;
        case Kind::sleep:
            return WaitCause::sleep;
        case Kind::process:
            return WaitCause::process;
        // without a descriptor they are how some programs sleep
        case Kind::select:
            return *first == 0 ? WaitCause::sleep : WaitCause::network;
        case Kind::poll:
            return *second == 0 ? WaitCause::sleep : WaitCause::network;
        case Kind::other:
            break;
    }
    return WaitCause::other;
}

}  // namespace sonde
