#include <algorithm>
#include <cstring>

#include "agent/probe/tls/prologue.hpp"

// Encodings: Arm Architecture Reference Manual for A-profile, C4.1 "A64 instruction set encoding".
namespace sonde::aarch64 {
namespace {

constexpr unsigned instructions_max = 32;  // a prologue is shorter
constexpr std::size_t instruction_bytes = 4;
constexpr std::uint32_t sp = 31;

class Instruction {
public:
    explicit Instruction(std::uint32_t word) : word_(word) {}

    [[nodiscard]] bool is_branch() const { return has(0x7c000000, 0x14000000); }  // b, bl
    [[nodiscard]] bool is_return() const { return has(0xfffffc1f, 0xd65f0000); }
    // b.cond, cbz, cbnz, tbz, tbnz
    [[nodiscard]] bool is_conditional_branch() const {
        return has(0xff000010, 0x54000000) || has(0x7c000000, 0x34000000);
    }
    [[nodiscard]] bool is_lower_or_same() const { return has(0xff00001f, 0x54000009); }  // b.ls
    [[nodiscard]] bool is_address() const { return has(0x1f000000, 0x10000000); }        // adr, adrp
    [[nodiscard]] bool is_emulated() const { return is_branch() || is_conditional_branch() || is_address(); }
    // Of b and bl: in bytes, from this instruction.
    [[nodiscard]] std::int64_t target() const {
        const auto words = static_cast<std::int32_t>(word_ << 6) >> 6;
        return std::int64_t{words} * static_cast<std::int64_t>(instruction_bytes);
    }
    // Goes on with the next instruction and leaves the first `arguments` registers as they are, for certain: what is
    // not known here does not.
    [[nodiscard]] bool keeps(unsigned arguments) const {
        const auto low = word_ & 31, base = word_ >> 5 & 31;
        const bool computes = has(0x1c000000, 0x10000000) || has(0x0e000000, 0x0a000000);
        const bool loads = has(0xffc00000, 0xf9400000);                                  // ldr x, [base, #offset]
        const bool stores = has(0xffc00000, 0xf9000000) || has(0xffc00000, 0xa9000000);  // str x, stp x
        const bool pushes = (has(0xffc00000, 0xa9800000) || has(0xffe00c00, 0xf8000c00)) && base == sp;
        const bool hints = has(0xfffff01f, 0xd503201f);  // nop, bti, paciasp: none of them touches an argument
        return stores || pushes || hints || ((computes || loads) && low >= arguments);
    }

private:
    [[nodiscard]] bool has(std::uint32_t mask, std::uint32_t bits) const { return (word_ & mask) == bits; }
    std::uint32_t word_;
};

// Nothing behind the last whole one.
std::optional<Instruction> instruction_at(std::span<const std::byte> code, std::size_t at) {
    if (at + instruction_bytes > code.size()) return {};
    std::uint32_t word = 0;
    std::memcpy(&word, code.data() + at, sizeof word);  // instructions are little-endian, as this program's numbers
    return Instruction(word);
}

std::optional<std::int64_t> callee(std::span<const std::byte> code, bool arguments_pass) {
    for (std::size_t at = 0; at < instructions_max * instruction_bytes; at += instruction_bytes) {
        const auto insn = instruction_at(code, at);
        if (!insn || insn->is_return()) return {};
        if (insn->is_branch()) return static_cast<std::int64_t>(at) + insn->target();
        if (arguments_pass ? !insn->keeps(4) : !insn->keeps(0) && !insn->is_conditional_branch()) return {};
    }
    return {};
}

}  // namespace

bool starts_cheaply(std::span<const std::byte> code) {
    const auto insn = instruction_at(code, 0);
    return insn && insn->is_emulated();
}

std::size_t cheap_entry(std::span<const std::byte> code, unsigned arguments, CallingConvention) {
    for (std::size_t at = 0; at < instructions_max * instruction_bytes; at += instruction_bytes) {
        const auto insn = instruction_at(code, at);
        if (!insn) return 0;
        if (insn->is_emulated()) return at;
        if (!insn->keeps(arguments)) return 0;
    }
    return 0;
}

std::optional<std::int64_t> first_callee(std::span<const std::byte> code) { return callee(code, false); }

std::optional<std::int64_t> forwarded_callee(std::span<const std::byte> code) { return callee(code, true); }

std::optional<std::vector<std::size_t>> returns(std::span<const std::byte> code) {
    if (code.size() % instruction_bytes != 0) return {};
    std::vector<std::size_t> found;
    for (std::size_t at = 0; at < code.size(); at += instruction_bytes)
        if (instruction_at(code, at)->is_return()) found.push_back(at);
    return found;
}

bool is_stack_check(std::span<const std::byte> code) {
    const auto insn = instruction_at(code, 0);
    return insn && insn->is_lower_or_same();
}

}  // namespace sonde::aarch64
