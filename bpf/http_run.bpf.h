/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* From payload bytes to request_head, response_head and progress records: the part that does not care where
 * the bytes lie. The program that includes this defines, before it does,
 *
 *	typedef … payload_source;
 *	static __always_inline long payload__load(payload_source *from, __u64 offset, void *to, __u32 n);
 *
 * so that packets (packet.bpf.c) and plaintext in an application's memory (tls.bpf.c) share every decision.
 */
#ifndef SONDE_HTTP_RUN_BPF_H
#define SONDE_HTTP_RUN_BPF_H

#include "bpf/emit.bpf.h"
#include "bpf/progress.bpf.h"
#include "bpf/thread_clock.bpf.h"

/* Set by user space once flush.bpf.c runs over this program's connections: progress may wait. Otherwise each
 * is sent at once. */
volatile __u32 flush_runs;

/* Consecutive payload bytes of one direction. */
struct segment {
	__u64 payload_offset; /* as payload__load counts: from the IP header, or an address */
	__u64 time_ns;	      /* CLOCK_MONOTONIC of their arrival; 0: now */
	__u32 length;	      /* payload bytes */
	__u32 seq;
	__u32 ack;
	__u8 tcp_flags;
	__u8 direction;
	__u16 flags; /* SONDE_FLAG_* of every record made of them */
};

static __always_inline __u32 http_run__sniff(payload_source *from, const struct segment *seg, __u8 bytes[24])
{
	__u64 n = seg->length, beyond_first;

	if (n > SONDE_SNIFF_BYTES)
		n = SONDE_SNIFF_BYTES;
	beyond_first = n - 1; /* as in DEFINE_EMIT_HEAD */
	asm volatile("" : "+r"(beyond_first));
	if (beyond_first > SONDE_SNIFF_BYTES - 1)
		return 0;
	if (payload__load(from, seg->payload_offset, bytes, beyond_first + 1))
		return 0;
	return n;
}

static __always_inline void http_run__load_tail(payload_source *from, const struct segment *seg,
						__u8 tail[SONDE_TAIL_BYTES])
{
	__u64 end = seg->payload_offset + seg->length;

	__builtin_memset(tail, 0, SONDE_TAIL_BYTES);
	if (seg->length >= SONDE_TAIL_BYTES) {
		payload__load(from, end - SONDE_TAIL_BYTES, tail, SONDE_TAIL_BYTES);
		return;
	}
	/* right-aligned, a byte at a time: constant stack offsets for the verifier */
#pragma unroll
	for (int i = 1; i < SONDE_TAIL_BYTES; i++)
		if (seg->length >= i)
			payload__load(from, end - i, tail + SONDE_TAIL_BYTES - i, 1);
}

/* What emit_head_* is to send: by reference, since a BPF function takes five arguments at most. */
struct head_order {
	struct segment seg;
	__u64 cookie;
	__u32 type;
	__u32 flags;
	__u32 captured;
	__u8 tail[SONDE_TAIL_BYTES];
	__u32 pad;
	struct sonde_passed before;
};

static __always_inline void http_run__fill_head(struct sonde_head *head, const struct head_order *order,
						__u32 captured)
{
	const struct segment *seg = &order->seg;

	head->seq = seg->seq;
	head->length = seg->length;
	head->captured = captured;
	head->direction = seg->direction;
	head->tcp_flags = seg->tcp_flags;
	head->ack = seg->ack;
	__builtin_memcpy(head->tail, order->tail, SONDE_TAIL_BYTES);
	head->before = order->before;
	if (seg->time_ns)
		head->h.time_ns = seg->time_ns;
	if (seg->direction == SONDE_OUT)
		head->h.flags |= thread_clock__read(&head->thread, head->h.time_ns);
	else
		__builtin_memset(&head->thread, 0, sizeof(head->thread));
}

/* One function per size class: a reservation is a constant, the copy is bounded by it. Bounds are checked on
 * the count less one: before 6.3 the verifier does not learn from n != 0 that n is at least 1. */
#define DEFINE_EMIT_HEAD(bytes)                                                                              \
	static __noinline int emit_head_##bytes(payload_source *from, const struct head_order *order)        \
	{                                                                                                    \
		struct sonde_head *head;                                                                     \
		__u64 beyond_first = (__u64)order->captured - 1;                                             \
                                                                                                             \
		asm volatile("" : "+r"(beyond_first));                                                       \
		if (beyond_first > (bytes)-1)                                                                \
			return 0;                                                                            \
		head = emit__reserve(order->type, sizeof(*head) + (bytes), sizeof(*head) + beyond_first + 1, \
				     order->cookie, order->flags);                                           \
		if (!head)                                                                                   \
			return 0;                                                                            \
		http_run__fill_head(head, order, beyond_first + 1);                                          \
		if (payload__load(from, order->seg.payload_offset, head->data, beyond_first + 1)) {          \
			emit__discard(head, SONDE_LOSS_READ_FAULT);                                          \
			return 0;                                                                            \
		}                                                                                            \
		emit__submit(head);                                                                          \
		return 1;                                                                                    \
	}

DEFINE_EMIT_HEAD(128)
DEFINE_EMIT_HEAD(256)
DEFINE_EMIT_HEAD(512)
DEFINE_EMIT_HEAD(1024)
DEFINE_EMIT_HEAD(2048)
DEFINE_EMIT_HEAD(4096)

static __always_inline int http_run__emit_head(payload_source *from, const struct head_order *order)
{
	if (order->captured <= 128)
		return emit_head_128(from, order);
	if (order->captured <= 256)
		return emit_head_256(from, order);
	if (order->captured <= 512)
		return emit_head_512(from, order);
	if (order->captured <= 1024)
		return emit_head_1024(from, order);
	if (order->captured <= 2048)
		return emit_head_2048(from, order);
	return emit_head_4096(from, order);
}

/* What waited in either direction goes with the head that now passes; only where both did, one needs a record
 * of its own. Returns the flag that says what `before` holds. */
static __always_inline __u32 http_run__take_waiting(struct conn *conn, struct sonde_passed *before)
{
	__builtin_memset(before, 0, sizeof(*before));
	if (progress__take(conn, SONDE_IN, before)) {
		progress__flush(conn, SONDE_OUT);
		return SONDE_FLAG_BEFORE_IN;
	}
	return progress__take(conn, SONDE_OUT, before) ? SONDE_FLAG_BEFORE_OUT : 0;
}

/* A segment that user space need not see the bytes of: how far the body has come. */
static __always_inline void http_run__progress(struct conn *conn, const struct segment *seg,
					       const __u8 tail[SONDE_TAIL_BYTES])
{
	struct sonde_passed passed = {.seq = seg->seq, .length = seg->length};

	passed.time_ns = seg->time_ns ? seg->time_ns : bpf_ktime_get_ns();
	__builtin_memcpy(passed.tail, tail, SONDE_TAIL_BYTES);
	if (flush_runs && !(seg->tcp_flags & SONDE_TCP_FIN)) {
		progress__keep(conn, seg->direction, &passed);
		return;
	}
	progress__flush(conn, seg->direction);
	progress__emit(conn->cookie, seg->direction, seg->tcp_flags, seg->flags, &passed);
}

/* CONN_MAYBE: join the first segments of the request direction until they tell. */
static __always_inline void http_run__settle(payload_source *from, struct conn *conn,
					     const struct segment *seg)
{
	__u8 bytes[24] = {};
	__u32 n = http_run__sniff(from, seg, bytes);

#pragma unroll
	for (int i = 0; i < SONDE_SNIFF_BYTES; i++) {
		__u32 at = conn->sniffed;

		if ((__u32)i < n && at < SONDE_SNIFF_BYTES) {
			conn->first[at] = bytes[i];
			conn->sniffed = at + 1;
		}
	}
	switch (sonde_sniff_request(conn->first, conn->sniffed)) {
	case SONDE_SNIFF_YES:
		conn->state = CONN_HTTP1;
		break;
	case SONDE_SNIFF_NO:
		conn->state = CONN_IGNORED;
		break;
	case SONDE_SNIFF_PARTIAL:
		break;
	}
}

/* The segment itself begins like a message: the next one of a pipeline, or the answer after a 1xx. */
static __always_inline int http_run__begins_message(payload_source *from, const struct segment *seg,
						    int is_request)
{
	__u8 bytes[24] = {};
	__u32 n = http_run__sniff(from, seg, bytes);

	return is_request ? sonde_sniff_request(bytes, n) == SONDE_SNIFF_YES : sonde_sniff_response(bytes, n);
}

/* How many payload bytes of this segment user space is to see. */
static __always_inline __u32 http_run__bytes_wanted(payload_source *from, struct conn *conn, struct run *run,
						    const struct segment *seg, int is_request, __u32 *flags)
{
	__u32 limit = sonde_cfg.capture_bytes;

	if (conn->last_direction == seg->direction) {
		/* the run's head is not complete yet */
		if (!run->head_complete && run->captured < limit) {
			*flags = SONDE_FLAG_CONTINUED;
			return limit - run->captured;
		}
		if (!http_run__begins_message(from, seg, is_request))
			return 0;
	}
	conn->last_direction = seg->direction;
	run->captured = 0;
	run->head_complete = 0;
	return limit;
}

/* Bytes that were not seen before, of a connection that carries HTTP/1 or may yet. */
static __always_inline void http_run__take(payload_source *from, struct conn *conn, const struct segment *seg,
					   int is_request)
{
	struct run *run = &conn->runs[seg->direction == SONDE_OUT];
	struct head_order order;
	__u32 wanted = 0;

	order.cookie = conn->cookie;
	order.flags = 0;
	if (seg->length > 0)
		wanted = http_run__bytes_wanted(from, conn, run, seg, is_request, &order.flags);
	if (wanted == 0 && !(seg->tcp_flags & (SONDE_TCP_PSH | SONDE_TCP_FIN)))
		return;
	http_run__load_tail(from, seg, order.tail);
	if (wanted == 0) {
		http_run__progress(conn, seg, order.tail);
		return;
	}
	/* a head that the application has yet to read: socket.bpf.c reports when it does */
	if (seg->direction == SONDE_IN && !conn->unread) {
		conn->unread_seq = seg->seq;
		conn->unread = 1;
	}
	order.seg = *seg;
	order.flags |= seg->flags | http_run__take_waiting(conn, &order.before);
	order.type = is_request ? SONDE_REC_REQUEST_HEAD : SONDE_REC_RESPONSE_HEAD;
	order.captured = seg->length < wanted ? seg->length : wanted;
	/* counted as captured also when the ring is full: what was lost is counted, not sent twice */
	run->captured += order.captured;
	if (sonde_ends_with_empty_line(order.tail))
		run->head_complete = 1;
	http_run__emit_head(from, &order);
}

#endif
