/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The first bytes of a connection that has no socket yet.
 *
 * Where the packet that completes the handshake carries data, the packet hook runs on the listener: with
 * TCP_DEFER_ACCEPT (apache2's default, `deferred` in nginx), with SYN cookies, when the client's bare ACK was
 * lost or came after its data. The kernel makes the socket out of that very packet, in the same softirq on
 * the same CPU:
 *
 *   packet_ingress on the listener      keeps time, position and first bytes for this CPU
 *   tcp_check_req() makes the child     (tcp_v4_rcv, tcp_v6_rcv; cookie_v4_check)
 *   inet_sock_set_state, SYN_RECV to ESTABLISHED, on the child: takes them, if they are its own
 *                                       (socket.bpf.c; HTTP/2, whose frames are to be walked, deferred.bpf.c)
 */
#ifndef SONDE_DEFERRED_BPF_H
#define SONDE_DEFERRED_BPF_H

#include "bpf/emit.bpf.h"

/* HTTP/2 opens with as many streams as its client likes: this holds some 300 HEADERS. What came in the same
 * packet behind it is a hole to the walk. */
#define DEFERRED_HTTP2_MAX 16384

struct deferred {
	__u64 time_ns; /* 0: nothing is kept */
	__u32 seq;
	__u32 length;
	__u32 captured;
	__u32 ack;
	__u16 local_port; /* host order */
	__be16 remote_port;
	__u8 tcp_flags;
	__u8 settled; /* the bytes tell that this is a request; otherwise they are too few */
	__u8 tls;     /* they are a ClientHello */
	__u8 http2;   /* they begin with its preface: all that is kept is to be walked */
	__u8 tail[SONDE_TAIL_BYTES];
	__u8 data[DEFERRED_HTTP2_MAX];
};

/* Purpose: see above. Writer: packet.bpf.c; readers: socket.bpf.c, deferred.bpf.c. Per CPU, overwritten,
 * never full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct deferred);
} deferred_heads SEC(".maps");

static __always_inline struct deferred *deferred__slot(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&deferred_heads, &key);
}

/* The record of a kept head, in one of two size classes: a reservation is a constant. */
static __always_inline void deferred__emit_class(const struct deferred *kept, __u64 cookie, const __u64 bytes)
{
	struct sonde_head *head;
	__u64 n = kept->captured;

	if (n > bytes)
		n = bytes;
	asm volatile("" : "+r"(n));
	if (n == 0 || n > bytes)
		return;
	head = emit__reserve(SONDE_REC_REQUEST_HEAD, sizeof(*head) + bytes, sizeof(*head) + n, cookie, 0);
	if (!head)
		return;
	head->h.time_ns = kept->time_ns;
	head->seq = kept->seq;
	head->length = kept->length;
	head->captured = n;
	head->direction = SONDE_IN;
	head->tcp_flags = kept->tcp_flags;
	head->ack = kept->ack;
	__builtin_memset(&head->thread, 0, sizeof(head->thread));
	__builtin_memset(&head->before, 0, sizeof(head->before));
	__builtin_memcpy(head->tail, kept->tail, SONDE_TAIL_BYTES);
	if (bpf_probe_read_kernel(head->data, n, kept->data)) {
		emit__discard(head, SONDE_LOSS_READ_FAULT);
		return;
	}
	emit__submit(head);
}

/* The record of a kept ClientHello. */
static __always_inline void deferred__emit_hello(const struct deferred *kept, __u64 cookie)
{
	struct sonde_tls_hello *hello;
	__u64 n = kept->captured;

	asm volatile("" : "+r"(n));
	if (n == 0 || n > SONDE_TLS_HELLO_MAX)
		return;
	hello = emit__reserve(SONDE_REC_TLS_HELLO, sizeof(*hello) + SONDE_TLS_HELLO_MAX, sizeof(*hello) + n,
			      cookie, 0);
	if (!hello)
		return;
	hello->h.time_ns = kept->time_ns;
	hello->length = kept->length;
	hello->captured = n;
	hello->direction = SONDE_IN;
	hello->pad = 0;
	if (bpf_probe_read_kernel(hello->data, n, kept->data)) {
		emit__discard(hello, SONDE_LOSS_READ_FAULT);
		return;
	}
	emit__submit(hello);
}

static __always_inline void deferred__emit(const struct deferred *kept, __u64 cookie)
{
	if (kept->captured <= 512)
		deferred__emit_class(kept, cookie, 512);
	else
		deferred__emit_class(kept, cookie, SONDE_CAPTURE_MAX);
}

#endif
