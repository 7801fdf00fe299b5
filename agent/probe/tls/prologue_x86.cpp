#include "agent/probe/tls/prologue.hpp"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>

namespace sonde::x86 {
namespace {

constexpr unsigned instructions_max = 32;  // a prologue is shorter
// argument registers in order
constexpr std::array<ZydisRegister, 4> arguments_of_system_v{ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RDX,
                                                             ZYDIS_REGISTER_RCX};
constexpr std::array<ZydisRegister, 4> arguments_of_go{ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_RBX, ZYDIS_REGISTER_RCX,
                                                       ZYDIS_REGISTER_RDI};

struct Instruction {
    ZydisDecodedInstruction decoded;
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;

    [[nodiscard]] std::size_t size() const { return decoded.length; }
    [[nodiscard]] bool is(ZydisMnemonic mnemonic) const { return decoded.mnemonic == mnemonic; }
    [[nodiscard]] bool is_return() const { return is(ZYDIS_MNEMONIC_RET); }
    [[nodiscard]] bool is_call() const { return is(ZYDIS_MNEMONIC_CALL); }
    [[nodiscard]] bool is_plain_jump() const { return is(ZYDIS_MNEMONIC_JMP); }
    [[nodiscard]] bool is_conditional_jump() const { return decoded.meta.category == ZYDIS_CATEGORY_COND_BR; }
    [[nodiscard]] bool is_relative() const {
        return decoded.operand_count_visible == 1 && operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
               operands[0].imm.is_relative;
    }
    // Any but REX, which is part of the operands.
    [[nodiscard]] bool has_prefix() const {
        const auto* prefixes = decoded.raw.prefixes;
        return std::any_of(prefixes, prefixes + decoded.raw.prefix_count,
                           [](const auto& prefix) { return (prefix.value & 0xf0) != 0x40; });
    }
    // Any part of it.
    [[nodiscard]] bool writes(ZydisRegister reg) const {
        return std::any_of(operands.begin(), operands.begin() + decoded.operand_count, [&](const auto& operand) {
            return operand.type == ZYDIS_OPERAND_TYPE_REGISTER && (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
                   ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand.reg.value) == reg;
        });
    }
    [[nodiscard]] bool writes_argument(unsigned arguments, CallingConvention convention) const {
        const auto& registers = convention == CallingConvention::go ? arguments_of_go : arguments_of_system_v;
        return std::any_of(registers.begin(), registers.begin() + arguments, [&](auto reg) { return writes(reg); });
    }
};

class Disassembler {
public:
    explicit Disassembler(std::span<const std::byte> code) : code_(code) {
        good_ = ZYAN_SUCCESS(ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64));
    }
    // Null at the end, or where the bytes are no instruction. Valid until the next call.
    const Instruction* next() {
        const auto left = code_.subspan(position_);
        if (!good_ || left.empty() ||
            !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, left.data(), left.size(), &instruction_.decoded,
                                                 instruction_.operands.data())))
            return nullptr;
        position_ += instruction_.size();
        return &instruction_;
    }
    // Distance from the start of the code to what comes next.
    [[nodiscard]] std::size_t position() const { return position_; }
    [[nodiscard]] bool at_end() const { return position_ == code_.size(); }

private:
    const std::span<const std::byte> code_;
    ZydisDecoder decoder_;
    Instruction instruction_;
    std::size_t position_ = 0;
    bool good_ = false;
};

// What uprobes emulate, without prefixes.
bool is_emulated(const Instruction& insn) {
    if (insn.has_prefix()) return false;
    switch (insn.decoded.mnemonic) {
        case ZYDIS_MNEMONIC_PUSH:
            return insn.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
        case ZYDIS_MNEMONIC_CALL:
        case ZYDIS_MNEMONIC_JMP:
            return insn.is_relative();
        case ZYDIS_MNEMONIC_JRCXZ:
        case ZYDIS_MNEMONIC_JECXZ:
        case ZYDIS_MNEMONIC_LOOP:
        case ZYDIS_MNEMONIC_LOOPE:
        case ZYDIS_MNEMONIC_LOOPNE:
            return false;
        default:
            return insn.is_conditional_jump() && insn.is_relative();
    }
}

std::optional<std::int64_t> callee(std::span<const std::byte> code, unsigned arguments) {
    Disassembler d(code);
    for (unsigned i = 0; i < instructions_max; ++i) {
        const auto* insn = d.next();
        if (insn == nullptr || insn->is_return()) return {};
        if (insn->is_call() || insn->is_plain_jump()) {
            if (!insn->is_relative()) return {};
            return static_cast<std::int64_t>(d.position()) + insn->operands[0].imm.value.s;
        }
        if (arguments > 0 &&
            (insn->is_conditional_jump() || insn->writes_argument(arguments, CallingConvention::system_v)))
            return {};
    }
    return {};
}

}  // namespace

bool starts_cheaply(std::span<const std::byte> code) {
    Disassembler d(code);
    const auto* insn = d.next();
    return insn != nullptr && is_emulated(*insn);
}

std::size_t cheap_entry(std::span<const std::byte> code, unsigned arguments, CallingConvention convention) {
    Disassembler d(code);
    for (unsigned i = 0; i < instructions_max; ++i) {
        const auto start = d.position();
        const auto* insn = d.next();
        if (insn == nullptr) return 0;
        if (is_emulated(*insn)) return start;
        // beyond any other branch the rest is not reached on every path
        if (insn->is_conditional_jump() || insn->is_plain_jump() || insn->is_return() || insn->is_call()) return 0;
        if (insn->writes_argument(arguments, convention)) return 0;
    }
    return 0;
}

std::optional<std::int64_t> first_callee(std::span<const std::byte> code) { return callee(code, 0); }

std::optional<std::int64_t> forwarded_callee(std::span<const std::byte> code) { return callee(code, 4); }

std::optional<std::vector<std::size_t>> returns(std::span<const std::byte> code) {
    Disassembler d(code);
    std::vector<std::size_t> found;
    while (!d.at_end()) {
        const auto start = d.position();
        const auto* insn = d.next();
        if (insn == nullptr) return {};
        if (insn->is_return()) found.push_back(start);
    }
    return found;
}

bool is_stack_check(std::span<const std::byte> code) {
    if (code.size() < 2) return false;
    return code[0] == std::byte{0x76} || (code[0] == std::byte{0x0f} && code[1] == std::byte{0x86});  // jbe
}

}  // namespace sonde::x86
