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
#include "bpf/shared/http2_walk.h"
#include "bpf/shared/http_sniff.h"
#include "bpf/shared/loss.h"
#include "bpf/shared/message_run.h"
#include "bpf/shared/upgrade_search.h"
#include "bpf/shared/websocket_walk.h"

const volatile struct sonde_config sonde_cfg = {
    .capture_bytes = 512,
    .wake_bytes = 2 << 20,
    .log_bytes = 4096,
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
	CONN_OPENING = 0, /* somebody is about to say what it is */
	CONN_HTTP1 = 1,
	CONN_IGNORED = 2,   /* not ours: leave at once */
	CONN_TLS = 3,	    /* tls.bpf.c sees what it carries, if anyone can */
	CONN_HTTP2 = 4,	    /* from its preface on; http2.bpf.h */
	CONN_WEBSOCKET = 5, /* from the upgrade's answer on; websocket.bpf.h */
	CONN_MAYBE = 6,	    /* the first bytes are too few to tell */
};

/* How a direction of HTTP/2 begins. A server may speak while the client's preface is under way, on another
 * CPU: whoever of the two finds out first what the connection is says so for both directions, maybe both do,
 * and each direction is taken up by its own first piece. All 0: at the first segment of whole frames. */
struct http2_start {
	__u32 seq;
	__u32 left;	/* bytes to skip: the preface */
	__u32 is_known; /* it is at seq */
	__u32 missed;	/* frames went by before */
};

/* Progress that nobody has asked for yet (progress.bpf.h). */
struct waiting {
	struct sonde_passed passed;
	__u64 taken_ns; /* passed.time_ns of the one sent last */
};

/* CONN_TLS: when the bytes that the application has not read yet reached the socket. Then, as for HTTP/2,
 * `unread` says that bytes have come at all and unread_seq is what has been read up to: one writer each. */
struct tls_arrival {
	__u64 first_ns; /* CLOCK_MONOTONIC of the first of them */
	__u64 last_ns;	/* and of the last segment of all */
	__u32 last_seq; /* where that segment began */
	__u32 end_seq;	/* and ended */
	__u32 owned;	/* who reads has been told to user space */
	__u32 pad;
};

/* One direction of a WebSocket. */
struct websocket_direction {
	struct sonde_websocket_walk walk;
	__u64 told_ns;	 /* CLOCK_MONOTONIC of the last record */
	__u64 closed_ns; /* see struct sonde_websocket */
	__u64 fin_ns;
	__u32 news; /* something has passed since */
	__u32 pad;
};

/* Directions are written under no lock: in and out may run on two CPUs at once. Each run belongs to one
 * direction; a torn `last_direction` can only capture a segment too many.
 *
 * In the order of who writes what, for these CPUs hand the lines of it to each other: what all look at fills
 * the first cache line (the kernel's storage begins eight bytes into it), each run has one of its own. */
struct conn {
	__u32 state;	      /* enum conn_state */
	__u32 role;	      /* enum sonde_role: who the HTTP request makes this socket */
	__u32 last_direction; /* enum sonde_direction of the last payload */
	__u32 announced;      /* conn_open has reached the ring */
	__u32 unread;	      /* request bytes have arrived that the application has not read */
	__u32 unread_seq;     /* the first of them */
	__u32 owner_tid;      /* client: the thread that was last seen reading */
	__u32 head_seq;	      /* HTTP/2: where the newest HEADERS begin */
	__u64 cookie;	      /* of the socket: asked once */
	__u32 frames_busy[2]; /* HTTP/2 and WebSocket: being walked */
	__u32 sniffed;	      /* CONN_MAYBE: number of bytes in `first` */
	__u32 upgrades;	      /* CONN_HTTP1: `upgrade` has been used */
	struct sonde_run runs[2];
	struct waiting waiting[2];
	__u8 first[24];		/* CONN_MAYBE: first payload bytes of the request direction */
	__u32 frames_missed[2]; /* HTTP/2 and WebSocket: a piece was not walked */
	struct tls_arrival tls; /* CONN_TLS */
	/* HTTP/2: the walk, by enum sonde_direction. Then `unread` says that HEADERS have come at all,
	 * unread_seq is what the application has read up to, head_seq where the newest HEADERS begin: each
	 * has one writer, so a read and an arrival at once cannot undo each other. */
	union {
		struct {
			struct sonde_http2_direction http2[2];
			struct sonde_http2_hole http2_holes[2];
			struct http2_start http2_starts[2];
		};
		struct websocket_direction websocket[2]; /* CONN_WEBSOCKET */
		struct sonde_upgrade_search upgrade;	 /* CONN_HTTP1 */
	};
};
SONDE_STATIC_ASSERT(__builtin_offsetof(struct conn, runs) == 56, "conn layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_run) == 64, "run layout");

/* Purpose: state of each connection that carries HTTP. Key: socket. Writer: packet.bpf.c, socket.bpf.c.
 * Freed by the kernel with the socket. No memory: counted as conn_open/map_full. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct conn);
} conns SEC(".maps");

/* A call into a TLS library that has not returned. */
struct tls_call {
	__u64 object;	  /* SSL *, gnutls_session_t, *tls.Conn; 0: no call */
	__u64 buffer;	  /* user address of the plaintext */
	__u64 length_ptr; /* user address of a size_t with the number of bytes; 0: the return value tells */
	__u64 entered_ns; /* CLOCK_MONOTONIC */
	__u32 op;	  /* enum tls_op */
	__u32 received;	  /* inside the call the thread has received from a socket */
};

/* Purpose: ties plaintext to sockets: the call the thread is in, the TLS socket it received from last.
 * Key: thread. Writer: socket.bpf.c (what was received), tls.bpf.c (the call). Freed with the thread.
 * No memory: the plaintext is counted as request_head/map_full. */
struct tls_thread {
	struct tls_call call;
	__u64 cookie;	   /* of the TLS socket received from last; 0: none yet */
	__u64 taken_ns;	   /* arrival of what was taken from it, while it is tied to nothing; 0: nothing */
	__u32 taken_bytes; /* by the last receive */
	__u32 pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tls_thread);
} tls_threads SEC(".maps");

/* One object of a TLS library. A process may be forked: the same address is another object there. */
struct tls_key {
	__u64 object;
	__u32 tgid;
	__u32 pad;
};

struct tls_session {
	struct conn conn;  /* of the plaintext, as packet.bpf.c keeps it; cookie: 0 until it is tied */
	__u64 socket;	   /* cookie of the tied socket; 0: not tied, conn.cookie is made up */
	__u32 bytes[2];	   /* plaintext so far, by enum sonde_direction: the virtual sequence numbers */
	__u32 contradicts; /* plaintext came out that the tied socket cannot have brought */
	__u32 pad;
};

/* Purpose: what a TLS object carries. Writer: tls.bpf.c. Deleted when the object is freed, by user space when
 * the process has ended. Full: the plaintext is counted as request_head/map_full. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* most machines carry a few: no 8 MB for all of them */
	__type(key, struct tls_key);
	__type(value, struct tls_session);
} tls_sessions SEC(".maps");

/* Purpose: calls into Go's crypto/tls that have not returned. Key: goroutine (its threads change), pad: 1 for
 * the handshake inside another call. Writer and deletion: tls.bpf.c; user space when the process has ended.
 * Full: the plaintext is counted as request_head/map_full. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tls_key);
	__type(value, struct tls_call);
} go_calls SEC(".maps");

/* The socket of an object. */
struct tls_tie {
	struct tls_key owner;
	__u64
	    taken_ns;  /* arrival of the first bytes taken that have not come out as plaintext; 0: all have */
	__u64 last_ns; /* arrival of what was taken last */
	__u32 drained; /* the object has asked for more since something was taken */
	__u32 closed;  /* the socket went to TCP_CLOSE: conn_close has been sent */
	__u32 credit;  /* bytes taken that no plaintext has accounted for: more than these cannot come out */
	__u32 pad;
};

/* Purpose: one object per socket. Key: socket cookie. Writer: tls.bpf.c (the tie), socket.bpf.c (what is
 * taken from the socket). Deletion: as tls_sessions. Full: the object is not tied, its endpoints stay
 * unobserved. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct tls_tie);
} tls_ties SEC(".maps");

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
