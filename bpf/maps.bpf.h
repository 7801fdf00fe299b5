/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Every map of the agent. Each object file declares them all; user space creates them once, with
 * packet.bpf.c, and hands the descriptors to the others. */
#ifndef SONDE_MAPS_BPF_H
#define SONDE_MAPS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/queue_clock.bpf.h"
#include "bpf/shared/config.h"
#include "bpf/shared/event.h"
#include "bpf/shared/http_sniff.h"
#include "bpf/shared/loss.h"
#include "bpf/shared/message_run.h"

const volatile struct sonde_config sonde_cfg = {
    .capture_bytes = 512,
    .wake_bytes = 2 << 20,
};

/* Purpose: records to user space. Size: set by user space before load. Full: the record is counted as lost.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} ring SEC(".maps");

/* Purpose: the kernel's part of the loss matrix. Key: enum sonde_record_type. Writer: emit.bpf.h only.
 * Per CPU, read and summed by user space; never full, never deleted. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SONDE_REC_TYPES);
	__type(key, __u32);
	__type(value, struct sonde_loss_counts);
} loss_counts SEC(".maps");

enum conn_state {
	CONN_MAYBE = 0, /* the first bytes are too few to tell */
	CONN_HTTP1 = 1,
	CONN_IGNORED = 2, /* not ours: leave at once */
};

/* Progress that nobody has asked for yet (progress.bpf.h). */
struct waiting {
	struct sonde_passed passed;
	__u64 taken_ns; /* passed.time_ns of the one sent last */
};

/* Directions are written under no lock: in and out may run on two CPUs at once. Each run belongs to one
 * direction; a torn `last_direction` can only capture a segment too many. */
struct conn {
	__u32 state;	      /* enum conn_state */
	__u32 role;	      /* enum sonde_role: who the HTTP request makes this socket */
	__u32 last_direction; /* enum sonde_direction of the last payload */
	__u32 announced;      /* conn_open has reached the ring */
	struct sonde_run runs[2];
	struct waiting waiting[2];
	__u32 unread;	  /* request bytes have arrived that the application has not read */
	__u32 unread_seq; /* the first of them */
	__u32 owner_tid;  /* client: the thread that was last seen reading */
	__u64 cookie;	  /* of the socket: asked once */
	__u32 sniffed;	  /* CONN_MAYBE: number of bytes in `first` */
	__u8 first[24];	  /* CONN_MAYBE: first payload bytes of the request direction */
};

/* Purpose: state of each connection that carries HTTP. Key: socket. Writer: packet.bpf.c, socket.bpf.c.
 * Freed by the kernel with the socket. No memory: counted as conn_open/map_full. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct conn);
} conns SEC(".maps");

/* The thread on this CPU and its CPU clock: cpu time = base_ns + (now - since_ns). */
struct cpu_thread {
	__u64 task; /* its task_struct, to tell that it is still the one that runs */
	__u32 tid;
	__u32 tgid;
	__u64 since_ns;	   /* CLOCK_MONOTONIC of its switch-in */
	__u64 base_ns;	   /* se.sum_exec_runtime at its switch-in */
	__u64 runqueue_ns; /* its run_delay, once somebody asked: it cannot grow while the thread runs */
	__u32 has_runqueue;
	__u32 pad;
};

/* Purpose: CPU clock of the running thread, for programs that may not use task storage (packet hooks).
 * Writer: task.bpf.c at each context switch. Never full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_thread);
} cpu_threads SEC(".maps");

#endif
