/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* WebSocket in the kernel: counts what each direction carries (bpf/shared/websocket_walk.h) and tells user
 * space now and then. The program that includes this has defined payload_source and payload__load. */
#ifndef SONDE_WEBSOCKET_BPF_H
#define SONDE_WEBSOCKET_BPF_H

#include "bpf/payload.bpf.h"
#include "bpf/websocket_record.bpf.h"

/* Each step takes a byte of a frame's header, or skips a payload: a segment train of 64 KiB holds no more. */
#define WEBSOCKET_STEPS_MAX 65536

/* The answer to the upgrade ends before response_seq; what the client sends next begins at request_seq. */
static __always_inline void websocket__begin(struct conn *conn, __u32 request_seq, __u32 response_seq)
{
	__u32 from_client = conn->role == SONDE_ROLE_SERVER ? SONDE_IN : SONDE_OUT;

	__builtin_memset(conn->websocket, 0, sizeof(conn->websocket));
	sonde_websocket_begin(&conn->websocket[from_client & 1].walk, request_seq, 1);
	sonde_websocket_begin(&conn->websocket[!from_client].walk, response_seq, 0);
	conn->state = CONN_WEBSOCKET;
	websocket__emit(conn, SONDE_IN, 0);
	websocket__emit(conn, SONDE_OUT, 0);
}

struct websocket_loop {
	payload_source *from;
	struct sonde_websocket_walk *walk;
	__u64 offset; /* of the next byte, as payload__load counts */
	__u32 left;   /* bytes from there to the piece's end */
	__u32 pad;
};

static long websocket__step(__u64 index, void *context)
{
	struct websocket_loop *loop = context;
	__u32 n = 1;
	__u8 byte;

	if (loop->left == 0 || !sonde_websocket_walks(loop->walk))
		return 1;
	if (sonde_websocket_in_payload(loop->walk)) {
		n = sonde_websocket_skip(loop->walk, loop->left);
	} else {
		if (payload__load(loop->from, loop->offset, &byte, 1)) {
			loop->walk->state = SONDE_WEBSOCKET_LOST;
			return 1;
		}
		sonde_websocket_byte(loop->walk, byte);
	}
	loop->offset += n;
	loop->left -= n;
	return 0;
}

/* Walks the frames of one piece. The caller sees to it that nobody else walks this direction. */
static __always_inline void websocket__walk(payload_source *from, struct conn *conn,
					    const struct segment *seg)
{
	struct websocket_direction *at = &conn->websocket[seg->direction & 1];
	struct websocket_loop loop = {.from = from, .walk = &at->walk};
	__u64 now = bpf_ktime_get_ns();
	__u32 was = at->walk.state, offset;

	if (seg->length > 0 && sonde_websocket_align(&at->walk, seg->seq, seg->length, &offset)) {
		loop.offset = seg->payload_offset + offset;
		loop.left = seg->length - offset;
		bpf_loop(WEBSOCKET_STEPS_MAX, websocket__step, &loop, 0);
		if (loop.left > 0 && sonde_websocket_walks(&at->walk))
			at->walk.state = SONDE_WEBSOCKET_LOST;
	}
	if (at->walk.state == SONDE_WEBSOCKET_CLOSED && !at->closed_ns)
		at->closed_ns = now;
	if ((seg->tcp_flags & SONDE_TCP_FIN) && !at->fin_ns) {
		at->fin_ns = now;
		was = SONDE_WEBSOCKET_OFF;
	}
	at->news = 1;
	/* its end, or its loss, at once */
	if (now - at->told_ns > WEBSOCKET_TELL_NS ||
	    (at->walk.state != was && !sonde_websocket_walks(&at->walk)) || was == SONDE_WEBSOCKET_OFF)
		websocket__emit(conn, seg->direction, 0);
}

#endif
