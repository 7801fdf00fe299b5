#include "agent/privilege/system_call_filter.hpp"

#include <linux/prctl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#ifndef PR_SET_VMA  // Linux 5.17; allocators name their memory
#define PR_SET_VMA 0x53564d41
#endif

namespace sonde {
namespace {

// By what needs them. Names that this libseccomp does not know, or that the architecture does not have, are passed
// over.
constexpr std::array memory{"brk",     "mmap",  "munmap", "mremap",     "mprotect",
                            "madvise", "mlock", "msync",  "membarrier", "mincore"};
constexpr std::array threads{"futex",
                             "futex_waitv",
                             "set_robust_list",
                             "get_robust_list",
                             "rseq",
                             "gettid",
                             "getpid",
                             "getppid",
                             "sched_yield",
                             "exit",
                             "sched_getaffinity",
                             "sched_getparam",
                             "sched_getscheduler",
                             "exit_group",
                             "arch_prctl",
                             "rt_sigaction",
                             "rt_sigprocmask",
                             "rt_sigreturn",
                             "sigaltstack",
                             "restart_syscall",
                             "set_tid_address",
                             "getcpu"};
constexpr std::array time_of_day{"clock_gettime", "clock_getres",   "clock_nanosleep", "nanosleep",
                                 "gettimeofday",  "time",           "times",           "adjtimex",
                                 "clock_adjtime", "timerfd_create", "timerfd_settime", "timerfd_gettime"};
// Sinks, spools, checkpoints, /proc, logs, the configuration.
constexpr std::array files{"open",
                           "openat",
                           "openat2",
                           "close",
                           "close_range",
                           "read",
                           "write",
                           "readv",
                           "writev",
                           "pread64",
                           "pwrite64",
                           "preadv",
                           "pwritev",
                           "preadv2",
                           "pwritev2",
                           "lseek",
                           "fsync",
                           "fdatasync",
                           "ftruncate",
                           "fallocate",
                           "fadvise64",
                           "sync_file_range",
                           "stat",
                           "fstat",
                           "lstat",
                           "newfstatat",
                           "statx",
                           "statfs",
                           "fstatfs",
                           "access",
                           "faccessat",
                           "faccessat2",
                           "readlink",
                           "readlinkat",
                           "getdents",
                           "getdents64",
                           "getcwd",
                           "mkdir",
                           "mkdirat",
                           "unlink",
                           "unlinkat",
                           "rmdir",
                           "rename",
                           "renameat",
                           "renameat2",
                           "link",
                           "linkat",
                           "symlink",
                           "symlinkat",
                           "chmod",
                           "fchmod",
                           "fchmodat",
                           "fchown",
                           "utimensat",
                           "flock",
                           "fcntl",
                           "dup",
                           "dup2",
                           "dup3",
                           "umask",
                           "copy_file_range",
                           "sendfile"};
constexpr std::array waiting{
    "poll",      "ppoll",      "select",       "pselect6",      "epoll_create",      "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait",  "epoll_pwait2",  "eventfd",           "eventfd2",
    "pipe",      "pipe2",      "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch"};
constexpr std::array network{"connect",     "bind",        "listen",     "accept",     "accept4", "shutdown",
                             "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto",  "recvfrom",
                             "sendmsg",     "recvmsg",     "sendmmsg",   "recvmmsg"};
constexpr std::array kernel_side{"bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register"};
constexpr std::array facts{"uname",     "sysinfo",   "getrandom", "getuid",      "geteuid", "getgid",    "getegid",
                           "getrlimit", "getrusage", "prlimit64", "getpriority", "capget",  "getresuid", "getresgid"};

// By number; more than any architecture has.
constexpr std::size_t calls_max = 1024;
std::array<std::atomic<std::uint64_t>, calls_max> refused{};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a signal handler counts");

// SECCOMP_RET_TRAP: the call has not been made, and its answer is whatever stands in the register.
void refuse(int, siginfo_t* info, void* context) {
    const auto number = static_cast<std::size_t>(info->si_syscall);
    if (number < calls_max) refused[number].fetch_add(1, std::memory_order_relaxed);
    auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    machine.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    machine.regs[0] = static_cast<unsigned long long>(-EPERM);
#else
#error "which register holds the answer of a system call here?"
#endif
}

struct Release {
    void operator()(void* context) const { seccomp_release(context); }
};

class Rules {
public:
    explicit Rules(scmp_filter_ctx context) : context_(context) {}

    template <std::size_t n>
    void allow(const std::array<const char*, n>& names) {
        for (const auto* name : names) add(SCMP_ACT_ALLOW, name);
    }
    void allow_if(const char* name, scmp_arg_cmp comparison) { add(SCMP_ACT_ALLOW, name, &comparison); }
    void answer(const char* name, std::uint16_t error) { add(SCMP_ACT_ERRNO(error), name); }
    [[nodiscard]] int error() const { return error_; }

private:
    void add(std::uint32_t action, const char* name, const scmp_arg_cmp* comparison = nullptr) {
        const int number = seccomp_syscall_resolve_name(name);
        if (number < 0) return;
        const int rc = comparison == nullptr ? seccomp_rule_add(context_, action, number, 0)
                                             : seccomp_rule_add_array(context_, action, number, 1, comparison);
        if (rc != 0) error_ = -rc;
    }
    scmp_filter_ctx context_;
    int error_ = 0;
};

void allow_some_arguments(Rules& rules) {
    const auto own = static_cast<scmp_datum_t>(::getpid());
    // threads, no processes. Where clone3's argument lies seccomp cannot look; libc then takes clone
    rules.allow_if("clone", SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    rules.answer("clone3", ENOSYS);
    rules.allow_if("tgkill", SCMP_A0(SCMP_CMP_EQ, own));
    rules.allow_if("kill", SCMP_A0(SCMP_CMP_EQ, own));
    for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE, PR_CAPBSET_READ})
        rules.allow_if("prctl", SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(option)));
    // resolving names asks the kernel for its addresses by netlink
    for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
        rules.allow_if("socket", SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)));
        rules.allow_if("socketpair", SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)));
    }
    // perf events (uprobes), sockets, terminals: ioctl has no list that means the same everywhere
    rules.allow(std::array{"ioctl"});
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

}  // namespace

Status filter_system_calls() {
    if (sanitized) return fail("system calls are not filtered in a build with sanitizers");
    const std::unique_ptr<void, Release> context(seccomp_init(SCMP_ACT_TRAP));
    if (!context) return fail("cannot make a filter of system calls");
    Rules rules(context.get());
    rules.allow(memory);
    rules.allow(threads);
    rules.allow(time_of_day);
    rules.allow(files);
    rules.allow(waiting);
    rules.allow(network);
    rules.allow(kernel_side);
    rules.allow(facts);
    allow_some_arguments(rules);
    if (rules.error() != 0)
        return fail(std::string("cannot make a filter of system calls: ") + std::strerror(rules.error()));

    struct sigaction action {};
    action.sa_sigaction = refuse;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    if (::sigaction(SIGSYS, &action, nullptr) != 0) return fail("cannot watch for refused system calls");
    // libseccomp sets no_new_privs with it; all threads take both or none does
    seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_TSYNC, 1);
    if (const int rc = seccomp_load(context.get()); rc != 0)
        return fail(std::string("the kernel takes no filter of system calls: ") + std::strerror(-rc),
                    "it needs CONFIG_SECCOMP_FILTER");
    return done();
}

std::vector<std::pair<std::string, std::uint64_t>> refused_system_calls() {
    std::vector<std::pair<std::string, std::uint64_t>> out;
    for (std::size_t number = 0; number < calls_max; ++number) {
        const auto count = refused[number].load(std::memory_order_relaxed);
        if (count == 0) continue;
        const std::unique_ptr<char, decltype(&std::free)> name(
            seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(number)), &std::free);
        out.emplace_back(name ? name.get() : "number " + std::to_string(number), count);
    }
    return out;
}

}  // namespace sonde
