// What the kernel takes for a uprobe whose program does nothing, at an instruction of five bytes that does nothing
// either: the anchor of the budget of a TLS probe's hit, and what no probe can cost less than. CPU time per call; the
// call itself takes one of its nanoseconds.
#include <benchmark/benchmark.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include "agent/base/unique_fd.hpp"

extern "C" void called();
asm(R"(
    .text
    .type called, @function
called:
    .byte 0x0f, 0x1f, 0x44, 0x00, 0x00  # nopl 0(%rax,%rax), as compilers leave for probes
    ret
    .size called, . - called
)");

namespace sonde {
namespace {

// return 0;
UniqueFd load_program() {
    std::array<bpf_insn, 2> code{};
    code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
    code[1].code = BPF_JMP | BPF_EXIT;
    static constexpr char license[] = "GPL";
    bpf_attr attr{};
    attr.prog_type = BPF_PROG_TYPE_KPROBE;
    attr.insns = reinterpret_cast<std::uint64_t>(code.data());
    attr.insn_cnt = code.size();
    attr.license = reinterpret_cast<std::uint64_t>(license);
    return UniqueFd(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr)));
}

// Where `address` lies in this program's file.
std::uint64_t file_offset(std::uintptr_t address) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        unsigned long begin = 0, end = 0, offset = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx", &begin, &end, &offset) == 3 && address >= begin &&
            address < end)
            return address - begin + offset;
    }
    return 0;
}

UniqueFd attach(const UniqueFd& program) {
    static constexpr char self[] = "/proc/self/exe";
    perf_event_attr attr{};
    attr.size = sizeof attr;
    std::ifstream("/sys/bus/event_source/devices/uprobe/type") >> attr.type;
    attr.config1 = reinterpret_cast<std::uint64_t>(self);
    attr.config2 = file_offset(reinterpret_cast<std::uintptr_t>(&called));
    UniqueFd event(static_cast<int>(::syscall(SYS_perf_event_open, &attr, ::getpid(), -1, -1, PERF_FLAG_FD_CLOEXEC)));
    if (event && (::ioctl(event.get(), PERF_EVENT_IOC_SET_BPF, program.get()) != 0 ||
                  ::ioctl(event.get(), PERF_EVENT_IOC_ENABLE) != 0))
        event.reset();
    return event;
}

void probed(benchmark::State& state) {
    const auto program = load_program();
    const auto event = program ? attach(program) : UniqueFd();
    if (!event) return state.SkipWithError((std::string("cannot attach a uprobe: ") + std::strerror(errno)).c_str());
    for (auto _ : state) called();
}
BENCHMARK(probed);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
