// What each loaded BPF program cost the verifier: a line "NAME VERIFIED LENGTH" per program of this kernel, in its
// order of loading. VERIFIED: instructions that the verifier looked at, 0 before Linux 5.16 (aba64c7da983), which does
// not tell; LENGTH: instructions of the translated program. Static: it runs in guests that hold no library
// (tests/kernels).
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

long bpf(int command, bpf_attr& attributes) { return ::syscall(SYS_bpf, command, &attributes, sizeof attributes); }

bpf_attr no_attributes() {
    bpf_attr attributes;
    std::memset(&attributes, 0, sizeof attributes);
    return attributes;
}

}  // namespace

int main() {
    constexpr unsigned instruction_bytes = 8;
    for (std::uint32_t id = 0;;) {
        auto next = no_attributes();
        next.start_id = id;
        if (bpf(BPF_PROG_GET_NEXT_ID, next) != 0) return errno == ENOENT ? 0 : (std::perror("programs"), 1);
        id = next.next_id;
        auto open = no_attributes();
        open.prog_id = id;
        const long fd = bpf(BPF_PROG_GET_FD_BY_ID, open);
        if (fd < 0) continue;  // gone meanwhile
        bpf_prog_info info{};
        auto ask = no_attributes();
        ask.info.bpf_fd = static_cast<std::uint32_t>(fd);
        ask.info.info_len = sizeof info;
        ask.info.info = reinterpret_cast<std::uint64_t>(&info);
        if (bpf(BPF_OBJ_GET_INFO_BY_FD, ask) == 0)
            std::printf("%s %u %u\n", info.name, info.verified_insns, info.xlated_prog_len / instruction_bytes);
        ::close(static_cast<int>(fd));
    }
}
