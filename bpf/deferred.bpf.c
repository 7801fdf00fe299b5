// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* HTTP/2 whose first frames came with the packet that completed the handshake (bpf/deferred.bpf.h): they are
 * walked once there is a socket. An object of its own, since it needs bpf_loop and socket.bpf.c does without.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/deferred_child.bpf.h"

/* No handle: the bytes are those that this CPU has kept, payload_offset counts from their first. Always null,
 * of a type that global functions accept. */
typedef const __u64 payload_source;

static __always_inline long payload__load(payload_source *from, __u64 offset, void *to, __u32 n)
{
	struct deferred *kept = deferred__slot();

	/* used: for an argument that is not, the compiler passes whatever the register holds */
	asm volatile("" : : "r"(from));
	if (!kept || offset >= DEFERRED_HTTP2_MAX)
		return -1;
	return bpf_probe_read_kernel(to, n, kept->data + offset);
}

#include "bpf/http2.bpf.h"

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(deferred_http2, struct sock *sk, int oldstate, int newstate)
{
	struct segment seg = {.direction = SONDE_IN};
	struct deferred *kept;
	struct conn *conn;

	if (oldstate != TCP_SYN_RECV || newstate != TCP_ESTABLISHED)
		return 0;
	kept = deferred__of(sk);
	if (!kept || !kept->http2)
		return 0;
	conn = child__open(sk);
	if (!conn)
		return 0;
	child__announce(sk, conn);
	http2__begin(conn, kept->seq, kept->ack, 0);
	seg.time_ns = kept->time_ns;
	seg.length = kept->captured;
	seg.seq = kept->seq;
	seg.ack = kept->ack;
	seg.tcp_flags = kept->tcp_flags;
	kept->time_ns = 0;
	http2__walk(0, conn, &seg);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
