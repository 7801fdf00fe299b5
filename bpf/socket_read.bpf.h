/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The application has read a head: the one place that says so, for plain sockets and for plaintext. */
#ifndef SONDE_SOCKET_READ_BPF_H
#define SONDE_SOCKET_READ_BPF_H

#include "bpf/emit.bpf.h"
#include "bpf/go_registers.bpf.h"
#include "bpf/thread_clock.bpf.h"

/* The running goroutine's g, as it was at the system call; of other programs any number. */
static __always_inline __u64 socket_read__strand(void)
{
	return GO_GOROUTINE((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()));
}

/* Everything before copied_seq has been read, by the running thread. */
static __always_inline void socket_read__emit(struct conn *conn, __u32 copied_seq, __u32 flags)
{
	struct sonde_socket_read *read;
	__u32 tid = 0;

	if (conn->role == SONDE_ROLE_CLIENT) {
		/* a client's thread matters once; a server's with every request */
		tid = (__u32)bpf_get_current_pid_tgid();
		if (conn->owner_tid == tid)
			return;
	}
	read = emit__reserve(SONDE_REC_SOCKET_READ, sizeof(*read), sizeof(*read), conn->cookie, flags);
	if (!read)
		return;
	conn->owner_tid = tid;
	read->copied_seq = copied_seq;
	read->pad = 0;
	read->strand = socket_read__strand();
	read->h.flags |= thread_clock__read(&read->thread, read->h.time_ns);
	emit__submit(read);
}

#endif
