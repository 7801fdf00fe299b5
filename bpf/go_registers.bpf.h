/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where Go keeps arguments, results and the goroutine (cmd/compile/abi-internal.md), from 1.17 on. */
#ifndef SONDE_GO_REGISTERS_BPF_H
#define SONDE_GO_REGISTERS_BPF_H

#if defined(__TARGET_ARCH_arm64)
/* what the verifier lets programs at uprobes read begins with these */
#define GO_REGISTERS(ctx) ((const volatile struct user_pt_regs *)(ctx))
#define GO_1(ctx) (GO_REGISTERS(ctx)->regs[0])
#define GO_2(ctx) (GO_REGISTERS(ctx)->regs[1])
#define GO_3(ctx) (GO_REGISTERS(ctx)->regs[2])
#define GO_GOROUTINE(ctx) (GO_REGISTERS(ctx)->regs[28])
#define GO_FLAG_Z (1U << 30)
#define GO_FLAG_C (1U << 29)
/* At the branch of the stack check, "lower or same": the stack grows, and the function begins anew. */
#define GO_BEGINS_ANEW(ctx) ((GO_REGISTERS(ctx)->pstate & (GO_FLAG_C | GO_FLAG_Z)) != GO_FLAG_C)
#else
#define GO_1(ctx) ((ctx)->ax)
#define GO_2(ctx) ((ctx)->bx)
#define GO_3(ctx) ((ctx)->cx)
#define GO_GOROUTINE(ctx) ((ctx)->r14)
#define GO_FLAG_C 0x01
#define GO_FLAG_Z 0x40
/* At the jump of the stack check, "below or equal": the stack grows, and the function begins anew. */
#define GO_BEGINS_ANEW(ctx) (((ctx)->flags & (GO_FLAG_C | GO_FLAG_Z)) != 0)
#endif

#endif
