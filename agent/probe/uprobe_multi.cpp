#include "agent/probe/uprobe_multi.hpp"

#include <bpf/bpf.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>

namespace sonde {
namespace {

constexpr std::uint32_t flag_return = 1;  // BPF_F_UPROBE_MULTI_RETURN

// union bpf_attr.link_create with its member uprobe_multi
struct LinkCreate {
    std::uint32_t program_fd;
    std::uint32_t target_fd;
    std::uint32_t attach_type;
    std::uint32_t flags;
    std::uint64_t path;
    std::uint64_t offsets;
    std::uint64_t reference_counters;
    std::uint64_t cookies;
    std::uint32_t count;
    std::uint32_t probe_flags;
    std::uint32_t pid;  // 0: every process
    std::uint32_t pad;
};
static_assert(sizeof(LinkCreate) == 64);

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

}  // namespace

UniqueFd attach_uprobe_multi(int program_fd, const std::string& path, std::uint64_t offset, bool at_return,
                             std::uint32_t pid) {
    LinkCreate link{};
    link.program_fd = static_cast<std::uint32_t>(program_fd);
    link.attach_type = uprobe_multi_attach_type;
    link.path = address_of(path.c_str());
    link.offsets = address_of(&offset);
    link.count = 1;
    link.pid = pid;
    link.probe_flags = at_return ? flag_return : 0;
    return UniqueFd(static_cast<int>(::syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof link)));
}

bool kernel_has_uprobe_multi() {
    // r0 = 0; exit
    const std::array<bpf_insn, 2> nothing{
        {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}}};
    LIBBPF_OPTS(bpf_prog_load_opts, options,
                .expected_attach_type = static_cast<bpf_attach_type>(uprobe_multi_attach_type));
    const UniqueFd program(
        bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe_multi", "GPL", nothing.data(), nothing.size(), &options));
    // a kernel that knows such links says that a directory is no file to probe; another that it knows no such link
    return program && !attach_uprobe_multi(program.get(), "/", 0, false) && errno == EBADF;
}

}  // namespace sonde
