/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The bytes that the running system call handed to a socket, or got from it: from the caller's registers to
 * its buffers.
 *
 *	read, write, recvfrom, sendto     (fd, buffer, …)
 *	readv, writev                     (fd, vector, count)       vector: { base, length } …
 *	recvmsg, sendmsg                  (fd, header)              header: name, namelen, vector, count, …
 *
 * Whatever else moves bytes (io_uring, sendfile, splice, sendmmsg, 32-bit callers) has no buffer here. */
#ifndef SONDE_USER_BYTES_BPF_H
#define SONDE_USER_BYTES_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/maps.bpf.h"

/* Servers send head and body in two or three pieces, and a long body in many; beyond these the bytes are
 * counted, not seen. */
#define USER_PIECES_MAX 32
#define TASK_IO_WORKER 0x00000010 /* PF_IO_WORKER, PF_KTHREAD (include/linux/sched.h) */
#define TASK_KERNEL 0x00200000

/* Numbers of the system calls (include/uapi/asm-generic/unistd.h, arch/x86/entry/syscalls/syscall_64.tbl) */
#if defined(__TARGET_ARCH_arm64)
enum { CALL_READ = 63, CALL_WRITE, CALL_READV, CALL_WRITEV };
enum { CALL_SENDTO = 206, CALL_RECVFROM = 207, CALL_SENDMSG = 211, CALL_RECVMSG = 212 };
#define CALL_NUMBER(regs) ((regs)->syscallno)
#define CALL_OF_32_BITS(regs) (((regs)->pstate & 0x10) != 0) /* PSR_MODE32_BIT */
#else
enum { CALL_READ = 0, CALL_WRITE = 1, CALL_READV = 19, CALL_WRITEV = 20 };
enum { CALL_SENDTO = 44, CALL_RECVFROM = 45, CALL_SENDMSG = 46, CALL_RECVMSG = 47 };
#define CALL_NUMBER(regs) ((regs)->orig_ax)
#define CALL_OF_32_BITS(regs) ((regs)->cs == 0x23) /* __USER32_CS */
#endif

struct user_bytes {
	__u32 length;		     /* all of them */
	__u32 gathered;		     /* the first, in data */
	__u8 tail[SONDE_TAIL_BYTES]; /* the last, right-aligned, zeros before or where they are not known */
	__u8 data[2 * SONDE_CAPTURE_MAX]; /* twice: the verifier bounds offset and length apart */
};

/* Purpose: room for the bytes of the call at hand. Key: enum sonde_direction; sends and receives are two
 * programs, and one that runs on a CPU is not entered again there. Writer: unix.bpf.c. Never full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct user_bytes);
} user_bytes_room SEC(".maps");

/* The shape of iovec (POSIX) with addresses as numbers */
struct user_piece {
	__u64 base;
	__u64 length;
};

/* Where the caller's buffers are. */
struct user_buffers {
	__u64 vector; /* address of user_piece[count]; 0: `piece` is the only one */
	__u64 count;
	struct user_piece piece;
};

static __always_inline int user_bytes__locate(struct user_buffers *buffers, __u32 length, __u32 direction)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs;
	__u64 header[4], call, second, third;

	if (task->flags & (TASK_IO_WORKER | TASK_KERNEL))
		return -1;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (CALL_OF_32_BITS(regs))
		return -1;
	call = CALL_NUMBER(regs);
	/* volatile: one load for registers and header alike is not to the verifier's liking */
	second = *(volatile __u64 *)&PT_REGS_PARM2_SYSCALL(regs);
	third = *(volatile __u64 *)&PT_REGS_PARM3_SYSCALL(regs);
	buffers->vector = 0;
	if (direction == SONDE_IN ? call == CALL_READ || call == CALL_RECVFROM
				  : call == CALL_WRITE || call == CALL_SENDTO) {
		buffers->count = 1;
		buffers->piece.base = second;
		buffers->piece.length = length;
		return 0;
	}
	buffers->vector = second;
	buffers->count = third;
	if (call == (direction == SONDE_IN ? CALL_READV : CALL_WRITEV))
		return 0;
	if (call != (direction == SONDE_IN ? CALL_RECVMSG : CALL_SENDMSG))
		return -1;
	if (bpf_probe_read_user(header, sizeof(header), (const void *)second))
		return -1;
	buffers->vector = header[2];
	buffers->count = header[3];
	return 0;
}

/* The part of a piece, whose first byte is number `at`, that belongs to the first bytes. */
static __always_inline long user_bytes__take_first(struct user_bytes *to, const struct user_piece *piece,
						   __u64 at)
{
	__u64 limit = sonde_cfg.capture_bytes;
	__u64 n = piece->length;

	if (limit > SONDE_CAPTURE_MAX)
		limit = SONDE_CAPTURE_MAX;
	if (at >= limit || at != to->gathered)
		return 0;
	if (n > limit - at)
		n = limit - at;
	asm volatile("" : "+r"(n));
	if (n == 0 || n > SONDE_CAPTURE_MAX)
		return 0;
	if (bpf_probe_read_user(to->data + (at & (SONDE_CAPTURE_MAX - 1)), n, (const void *)piece->base))
		return -1;
	to->gathered = at + n;
	return 0;
}

/* The part of it that belongs to the last bytes. */
static __always_inline long user_bytes__take_last(struct user_bytes *to, const struct user_piece *piece,
						  __u64 at)
{
	__u64 end = at + piece->length, from = at, n, place;

	if (to->length > SONDE_TAIL_BYTES && from < to->length - SONDE_TAIL_BYTES)
		from = to->length - SONDE_TAIL_BYTES;
	if (end <= from)
		return 0;
	n = end - from;
	place = SONDE_TAIL_BYTES - (to->length - from);
	asm volatile("" : "+r"(n), "+r"(place));
	/* n + place is at most SONDE_TAIL_BYTES; the verifier is content with the room behind the tail */
	if (n == 0 || n > SONDE_TAIL_BYTES || place >= SONDE_TAIL_BYTES)
		return 0;
	return bpf_probe_read_user(to->tail + place, n, (const void *)(piece->base + (from - at)));
}

/* What one look at a piece needs and leaves behind. */
struct user_walk {
	struct user_bytes *to;
	struct user_buffers buffers;
	__u64 at; /* number of the next piece's first byte */
	long error;
};

/* A callback, so that the verifier walks through it once and not once per piece (bpf_loop, 5.17). */
static long user_bytes__take_piece(__u32 index, struct user_walk *walk)
{
	struct user_piece piece = walk->buffers.piece;
	struct user_bytes *to = walk->to;

	if (walk->at >= to->length)
		return 1;
	if (walk->buffers.vector) {
		const void *from = (const void *)(walk->buffers.vector + index * sizeof(piece));

		walk->error = bpf_probe_read_user(&piece, sizeof(piece), from);
		if (walk->error)
			return 1;
	}
	if (piece.length > to->length - walk->at)
		piece.length = to->length - walk->at;
	walk->error = user_bytes__take_first(to, &piece, walk->at);
	if (!walk->error)
		walk->error = user_bytes__take_last(to, &piece, walk->at);
	walk->at += piece.length;
	return walk->error != 0;
}

/* Fills `to` with what the call moved. Fails where the bytes cannot be reached. */
static __noinline int user_bytes__collect(struct user_bytes *to, __u32 length, __u32 direction)
{
	struct user_walk walk = {.to = to};
	__u32 pieces = USER_PIECES_MAX;

	to->length = length;
	to->gathered = 0;
	__builtin_memset(to->tail, 0, sizeof(to->tail));
	if (user_bytes__locate(&walk.buffers, length, direction))
		return -1;
	if (walk.buffers.count < pieces)
		pieces = walk.buffers.count;
	bpf_loop(pieces, user_bytes__take_piece, &walk, 0);
	/* more pieces than are looked at: what lies in the last ones is not known */
	if (walk.at < length)
		__builtin_memset(to->tail, 0, sizeof(to->tail));
	return walk.error || to->gathered == 0 ? -1 : 0;
}

typedef const struct user_bytes payload_source;

static __always_inline long payload__load(payload_source *from, __u64 offset, void *to, __u32 n)
{
	if (!from) /* as far as a global function can know */
		return -1;
	if (n == SONDE_TAIL_BYTES && offset + n == from->length)
		return bpf_probe_read_kernel(to, n, from->tail);
	if (offset + n > from->gathered)
		return -1;
	return bpf_probe_read_kernel(to, n, from->data + (offset & (SONDE_CAPTURE_MAX - 1)));
}

#endif
