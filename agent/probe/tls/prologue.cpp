#include "agent/probe/tls/prologue.hpp"

#include <capstone/capstone.h>

#include <algorithm>
#include <array>

namespace sonde {
namespace {

constexpr unsigned instructions_max = 32;  // a prologue is shorter
// argument registers in order; each name covers its narrower parts
using Names = std::array<x86_reg, 4>;
constexpr Names rax{X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL};
constexpr Names rbx{X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL};
constexpr Names rcx{X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL};
constexpr Names rdx{X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL};
constexpr Names rdi{X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL};
constexpr Names rsi{X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL};
constexpr std::array<Names, 4> arguments_of_system_v{rdi, rsi, rdx, rcx};
constexpr std::array<Names, 4> arguments_of_go{rax, rbx, rcx, rdi};

class Disassembler {
public:
    Disassembler() {
        good_ = cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) == CS_ERR_OK;
        if (good_) cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON);
        if (good_) instruction_ = cs_malloc(handle_);
    }
    ~Disassembler() {
        if (instruction_ != nullptr) cs_free(instruction_, 1);
        if (good_) cs_close(&handle_);
    }
    Disassembler(const Disassembler&) = delete;
    Disassembler& operator=(const Disassembler&) = delete;

    void begin(std::span<const std::byte> code) {
        at_ = reinterpret_cast<const std::uint8_t*>(code.data());
        left_ = code.size();
        address_ = 0;
    }
    // Null at the end, or where the bytes are no instruction.
    const cs_insn* next() {
        if (instruction_ == nullptr || left_ == 0) return nullptr;
        return cs_disasm_iter(handle_, &at_, &left_, &address_, instruction_) ? instruction_ : nullptr;
    }
    [[nodiscard]] bool writes_argument(const cs_insn& insn, unsigned arguments, CallingConvention convention) const {
        const auto& arguments_in = convention == CallingConvention::go ? arguments_of_go : arguments_of_system_v;
        cs_regs read, written;
        std::uint8_t reads = 0, writes = 0;
        if (cs_regs_access(handle_, &insn, read, &reads, written, &writes) != CS_ERR_OK) return true;
        for (unsigned i = 0; i < arguments; ++i)
            for (const auto reg : arguments_in[i])
                if (std::find(written, written + writes, reg) != written + writes) return true;
        return false;
    }
    [[nodiscard]] bool in_group(const cs_insn& insn, std::uint8_t group) const {
        return cs_insn_group(handle_, &insn, group);
    }
    [[nodiscard]] std::size_t left() const { return left_; }

private:
    csh handle_ = 0;
    cs_insn* instruction_ = nullptr;
    const std::uint8_t* at_ = nullptr;
    std::size_t left_ = 0;
    std::uint64_t address_ = 0;
    bool good_ = false;
};

bool is_relative(const cs_insn& insn) {
    const auto& x86 = insn.detail->x86;
    return x86.op_count == 1 && x86.operands[0].type == X86_OP_IMM;
}

bool is_conditional_jump(const Disassembler& d, const cs_insn& insn) {
    return d.in_group(insn, CS_GRP_JUMP) && insn.id != X86_INS_JMP && is_relative(insn);
}

// What uprobes emulate, without prefixes.
bool is_emulated(const Disassembler& d, const cs_insn& insn) {
    const auto& x86 = insn.detail->x86;
    if (x86.prefix[0] != 0 || x86.prefix[1] != 0 || x86.prefix[2] != 0) return false;
    switch (insn.id) {
        case X86_INS_PUSH:
            return x86.op_count == 1 && x86.operands[0].type == X86_OP_REG;
        case X86_INS_CALL:
        case X86_INS_JMP:
            return is_relative(insn);
        case X86_INS_JRCXZ:
        case X86_INS_JECXZ:
        case X86_INS_LOOP:
        case X86_INS_LOOPE:
        case X86_INS_LOOPNE:
            return false;
        default:
            return is_conditional_jump(d, insn);
    }
}

std::optional<std::int64_t> callee(std::span<const std::byte> code, unsigned arguments) {
    Disassembler d;
    d.begin(code);
    for (unsigned i = 0; i < instructions_max; ++i) {
        const auto* insn = d.next();
        if (insn == nullptr) return {};
        if ((insn->id == X86_INS_CALL || insn->id == X86_INS_JMP) && is_relative(*insn))
            return insn->detail->x86.operands[0].imm;  // the code stands at address 0
        if (d.in_group(*insn, CS_GRP_RET) || insn->id == X86_INS_CALL || insn->id == X86_INS_JMP) return {};
        if (arguments > 0 &&
            (d.in_group(*insn, CS_GRP_JUMP) || d.writes_argument(*insn, arguments, CallingConvention::system_v)))
            return {};
    }
    return {};
}

}  // namespace

bool starts_cheaply(std::span<const std::byte> code) {
    Disassembler d;
    d.begin(code);
    const auto* insn = d.next();
    return insn != nullptr && is_emulated(d, *insn);
}

std::size_t cheap_entry(std::span<const std::byte> code, unsigned arguments, CallingConvention convention) {
    Disassembler d;
    d.begin(code);
    std::size_t distance = 0;
    for (unsigned i = 0; i < instructions_max; ++i) {
        const auto* insn = d.next();
        if (insn == nullptr) return 0;
        if (is_emulated(d, *insn)) return distance;
        // beyond any other branch the rest is not reached on every path
        if (d.in_group(*insn, CS_GRP_JUMP) || d.in_group(*insn, CS_GRP_RET) || d.in_group(*insn, CS_GRP_CALL)) return 0;
        if (d.writes_argument(*insn, arguments, convention)) return 0;
        distance += insn->size;
    }
    return 0;
}

std::optional<std::int64_t> first_callee(std::span<const std::byte> code) { return callee(code, 0); }

std::optional<std::int64_t> forwarded_callee(std::span<const std::byte> code) { return callee(code, 4); }

std::optional<std::vector<std::size_t>> returns(std::span<const std::byte> code) {
    Disassembler d;
    d.begin(code);
    std::vector<std::size_t> found;
    std::size_t distance = 0;
    while (d.left() > 0) {
        const auto* insn = d.next();
        if (insn == nullptr) return {};
        if (d.in_group(*insn, CS_GRP_RET)) found.push_back(distance);
        distance += insn->size;
    }
    return found;
}

}  // namespace sonde
