// The floor that sonde's own cost stands on, for nginx_overhead.py: its hooks with nothing in them, or with bare
// records (bare_hooks records). Says "tracing" when they are attached; SIGTERM ends it.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <time.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "agent/probe/preconditions.hpp"
#include "bare_hooks.skel.h"

namespace {

volatile std::sig_atomic_t stopping = 0;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "bare_hooks: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGTERM, [](int) { stopping = 1; });
    std::signal(SIGINT, SIG_IGN);  // whoever started it ends it
    auto* hooks = bare_hooks_bpf__open();
    if (hooks == nullptr) fail("cannot open the programs");
    hooks->rodata->records = argc > 1 && std::string_view(argv[1]) == "records";
    if (bare_hooks_bpf__load(hooks) != 0) fail("cannot load the programs");
    const int root = ::open(sonde::cgroup2_root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) fail("cannot open the root of cgroup v2");
    // links are never destroyed: they end with the process
    if (bpf_program__attach_cgroup(hooks->progs.packet_in, root) == nullptr ||
        bpf_program__attach_cgroup(hooks->progs.packet_out, root) == nullptr ||
        bpf_program__attach(hooks->progs.received) == nullptr)
        fail("cannot attach");
    auto* ring = ring_buffer__new(
        bpf_map__fd(hooks->maps.ring), [](void*, void*, std::size_t) { return 0; }, nullptr, nullptr);
    if (ring == nullptr) fail("cannot read the ring");
    std::puts("tracing");
    std::fflush(stdout);
    for (constexpr timespec rest{0, 10'000'000}; stopping == 0; ::nanosleep(&rest, nullptr)) ring_buffer__consume(ring);
    ring_buffer__free(ring);
    bare_hooks_bpf__destroy(hooks);
}
