#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

// Where in a function a uprobe costs least. The kernel emulates some instructions and single-steps the rest out of
// line, which costs ten times as much: on x86 push, call and jumps (arch/x86/kernel/uprobes.c: push_setup_xol_ops,
// branch_setup_xol_ops), on arm64 branches and adr (arch/arm64/kernel/probes/decode-insn.c).
// Pure: bytes of machine code in, distances from their start out. Any thread.
namespace sonde {

// Which registers hold arguments: of x86 rdi, rsi, rdx, rcx, or rax, rbx, rcx, rdi (Go from 1.17 on); of arm64 the
// first four in both.
enum class CallingConvention : std::uint8_t { system_v, go };

namespace x86 {

// The function's first instruction is one that the kernel emulates: a return probe there is cheap.
bool starts_cheaply(std::span<const std::byte> code);

// Distance to the first emulated instruction that is reached on every path and still has the first `arguments`
// (1 … 4) arguments in their registers. 0 where there is none: the entry is always right.
std::size_t cheap_entry(std::span<const std::byte> code, unsigned arguments,
                        CallingConvention convention = CallingConvention::system_v);

// Distance, which may be negative, to the function that this one calls (or jumps to) first, straight from its entry
// or after conditional jumps only. Nothing where the path there is not plain.
std::optional<std::int64_t> first_callee(std::span<const std::byte> code);
// As before, and the first four arguments pass through untouched: the callee has the same ones.
std::optional<std::int64_t> forwarded_callee(std::span<const std::byte> code);

// Distances to each return instruction, in order. Nothing where the code cannot be read to its end; what pads the end
// (int3, nop) is code.
std::optional<std::vector<std::size_t>> returns(std::span<const std::byte> code);

// The code begins with the branch of a Go function's stack check: taken, the stack grows and the function begins anew.
bool is_stack_check(std::span<const std::byte> code);

}  // namespace x86

// The same.
namespace aarch64 {

bool starts_cheaply(std::span<const std::byte> code);
std::size_t cheap_entry(std::span<const std::byte> code, unsigned arguments,
                        CallingConvention convention = CallingConvention::system_v);
std::optional<std::int64_t> first_callee(std::span<const std::byte> code);
std::optional<std::int64_t> forwarded_callee(std::span<const std::byte> code);
std::optional<std::vector<std::size_t>> returns(std::span<const std::byte> code);
bool is_stack_check(std::span<const std::byte> code);

}  // namespace aarch64

// Of the programs that run here.
#if defined(__x86_64__)
namespace machine_code = x86;
#elif defined(__aarch64__)
namespace machine_code = aarch64;
#endif

}  // namespace sonde
