// The usual way to trace HTTP, held against sonde's by nginx_overhead.py and log_overhead.py: a tracepoint at the entry
// and one at the exit of each system call that moves bytes, of all processes. Says "tracing" when it does; SIGTERM
// ends it, and it prints the number of records that it read and lost, as JSON.
#include <bpf/libbpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>

#include "syscall_tracer.skel.h"

namespace {

volatile std::sig_atomic_t stopping = 0;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "syscall_tracer: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(1);
}

// Tracepoints are found by their numbers, which stand in tracefs: mounted for this process alone where it is not.
void find_tracefs() {
    if (::access("/sys/kernel/tracing/events/syscalls", F_OK) == 0) return;
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr) != 0)
        fail("cannot mount tracefs");
}

void attach(const bpf_program* program, const std::string& tracepoint) {
    // the link is never destroyed: it ends with the process
    if (bpf_program__attach_tracepoint(program, "syscalls", tracepoint.c_str()) == nullptr)
        fail("cannot attach to " + tracepoint);
}

void attach_all(const syscall_tracer_bpf& tracer) {
    const auto trace = [&](const bpf_program* enter, std::initializer_list<const char*> calls) {
        for (const std::string call : calls) {
            attach(tracer.progs.leave, "sys_exit_" + call);
            attach(enter, "sys_enter_" + call);
        }
    };
    trace(tracer.progs.enter_buffer, {"read", "write", "recvfrom", "sendto"});
    trace(tracer.progs.enter_vector, {"readv", "writev"});
    trace(tracer.progs.enter_message, {"recvmsg", "sendmsg"});
}

}  // namespace

int main() {
    std::signal(SIGTERM, [](int) { stopping = 1; });
    std::signal(SIGINT, SIG_IGN);  // whoever started it ends it
    find_tracefs();
    auto* tracer = syscall_tracer_bpf__open_and_load();
    if (tracer == nullptr) fail("cannot load the programs");
    attach_all(*tracer);
    std::uint64_t read = 0;
    const auto count = [](void* total, void*, std::size_t) {
        ++*static_cast<std::uint64_t*>(total);
        return 0;
    };
    auto* ring = ring_buffer__new(bpf_map__fd(tracer->maps.records), count, &read, nullptr);
    if (ring == nullptr) fail("cannot read the ring");
    std::puts("tracing");
    std::fflush(stdout);
    for (constexpr timespec rest{0, 10'000'000}; stopping == 0; ::nanosleep(&rest, nullptr)) ring_buffer__consume(ring);
    std::printf("{\"read\":%llu,\"lost\":%llu}\n", static_cast<unsigned long long>(read),
                static_cast<unsigned long long>(tracer->bss->lost));
    ring_buffer__free(ring);
    syscall_tracer_bpf__destroy(tracer);
}
