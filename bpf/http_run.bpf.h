/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* From payload bytes to request_head, response_head and progress records: the part that does not care where
 * the bytes lie. The program that includes this defines, before it does,
 *
 *	typedef … payload_source;
 *	static __always_inline long payload__load(payload_source *from, __u64 offset, void *to, __u32 n);
 *
 * so that packets (packet.bpf.c) and plaintext in an application's memory (tls.bpf.c) share every decision.
 * payload_source is the type of the program's context: functions the verifier takes on their own accept that,
 *and nothing else that is not plain memory.
 */
#ifndef SONDE_HTTP_RUN_BPF_H
#define SONDE_HTTP_RUN_BPF_H

#include "bpf/head_record.bpf.h"
#include "bpf/http2_state.bpf.h"

/* Set by user space once flush.bpf.c runs over this program's connections: progress may wait. Otherwise each
 * is sent at once. */
volatile __u32 flush_runs;

/* A segment that user space need not see the bytes of: how far the body has come. walked: SONDE_WALKED_*. */
HTTP_RUN_GLOBAL int http_run__progress(struct conn *conn, const struct segment *seg, __u64 tail, __u32 walked)
{
	struct sonde_passed passed = {};

	if (!conn || !seg)
		return 0;
	passed.seq = seg->seq;
	passed.length = seg->length;
	passed.time_ns = seg->time_ns ? seg->time_ns : bpf_ktime_get_ns();
	passed.walk = walked;
	passed.walk_start = conn->runs[seg->direction == SONDE_OUT].walk.start;
	__builtin_memcpy(passed.tail, &tail, SONDE_TAIL_BYTES);
	if (flush_runs && !(seg->tcp_flags & SONDE_TCP_FIN) && !(seg->flags & SONDE_FLAG_EARLY)) {
		progress__keep(conn, seg->direction, &passed);
		return 0;
	}
	progress__flush(conn, seg->direction);
	progress__emit(conn->cookie, seg->direction, seg->tcp_flags, seg->flags, &passed);
	return 0;
}

struct walk_context {
	payload_source *from;
	struct sonde_walk *walk;
	__u64 offset; /* of the next byte to walk, as payload__load counts */
	__u32 left;   /* bytes from there to the segment's end */
	__u32 steps;
};

/* bpf_loop's callback (kernel commit e6f2dd0f8067, 5.17): the verifier looks at one step, not at all of them.
 */
static long http_run__walk_step(__u64 index, void *context)
{
	struct walk_context *at = context;
	__u32 n = 1;
	__u8 byte;

	if (at->left == 0 || !sonde_walk_active(at->walk))
		return 1;
	if (at->walk->state == SONDE_WALK_DATA) {
		n = sonde_walk_data(at->walk, at->left);
	} else {
		if (payload__load(at->from, at->offset, &byte, 1)) {
			at->walk->state = SONDE_WALK_OFF;
			return 1;
		}
		sonde_walk_byte(at->walk, byte);
	}
	at->offset += n;
	at->left -= n;
	return 0;
}

/* Walks the part of a chunked body that this segment is. Returns SONDE_WALKED_*, 0: it is none. Not inline: a
 * program's stack is 512 bytes, of all its calls together, and the deepest ones are others. */
HTTP_RUN_GLOBAL int http_run__walk(payload_source *from, struct sonde_walk *walk, const struct segment *seg)
{
	struct walk_context at = {.from = from, .walk = walk};
	__u32 skipped;

	if (!walk || !seg)
		return 0;
	skipped = walk->next - seg->seq;
	if (!sonde_walk_active(walk) || seg->length == 0)
		return 0;
	if (skipped > seg->length) { /* bytes are missing in between */
		walk->state = SONDE_WALK_OFF;
		return 0;
	}
	at.offset = seg->payload_offset + skipped;
	at.left = seg->length - skipped;
	/* most bodies are not chunked, as their first byte tells: that takes no loop */
	if (!HTTP_RUN_LOOPS || !http_run__walk_step(0, &at))
		http_run__loop(SONDE_WALK_STEPS_MAX, http_run__walk_step, &at);
	if (walk->state == SONDE_WALK_ENDED)
		return SONDE_WALKED_BODY | SONDE_WALKED_END;
	if (at.left > 0)
		walk->state = SONDE_WALK_OFF;
	return sonde_walk_in_body(walk) ? SONDE_WALKED_BODY : 0;
}

/* CONN_MAYBE: join the first segments of the request direction until they tell. */
HTTP_RUN_GLOBAL int http_run__settle(payload_source *from, struct conn *conn, const struct segment *seg)
{
	struct sniffed sniffed = {};
	__u32 n, before;

	if (!conn || !seg)
		return 0;
	n = http_run__sniff(from, seg, &sniffed);
	before = conn->sniffed;
#pragma unroll
	for (int i = 0; i < SONDE_SNIFF_BYTES; i++) {
		__u32 at = conn->sniffed;

		if ((__u32)i < n && at < SONDE_SNIFF_BYTES) {
			conn->first[at] = sniffed.bytes[i];
			conn->sniffed = at + 1;
		}
	}
	__builtin_memcpy(sniffed.bytes, conn->first, sizeof(sniffed.bytes));
	switch (http_run__verdict(&sniffed, conn->sniffed, 1)) {
	case SONDE_SNIFF_YES:
		if (HTTP_RUN_LOOPS && sonde_sniff_http2(conn->first, conn->sniffed))
			http2__begin(conn, seg->seq - before, seg->ack, 0);
		else
			conn->state = CONN_HTTP1;
		break;
	case SONDE_SNIFF_NO:
		conn->state = CONN_IGNORED;
		break;
	default:
		break;
	}
	return 0;
}

/* How many payload bytes of this segment user space is to see. walked: SONDE_WALKED_*. */
static __always_inline __u32 http_run__bytes_wanted(payload_source *from, struct conn *conn,
						    struct sonde_run *run, const struct segment *seg,
						    int is_request, __u32 walked, __u32 *flags)
{
	__u32 limit = sonde_cfg.capture_bytes;
	int turn = conn->last_direction != seg->direction;

	conn->last_direction = seg->direction;
	if (!turn || walked) {
		if (!walked && sonde_run_continues(run, limit)) {
			*flags |= SONDE_FLAG_CONTINUED;
			return run->captured < limit ? limit - run->captured : SONDE_CAPTURE_MAX;
		}
		/* the next message of a pipeline, or the answer after a 1xx? */
		if (http_run__segment_verdict(from, seg, is_request) == SONDE_SNIFF_NO)
			return 0;
		/* inside a body: user space, which knows more of it, decides whether this is a head */
		if (walked)
			return limit;
	}
	sonde_run_begin(run);
	return limit;
}

struct more_context {
	payload_source *from;
	struct conn *conn;
	struct head_order order;
};

/* bpf_loop's callback: the next bytes of a head that is longer than what was captured of it. */
static long http_run__capture_more(__u64 index, void *context)
{
	struct more_context *at = context;
	struct head_order *order = &at->order;
	__u32 taken = order->captured;
	__u8 two[2] = {};

	if (!order->more)
		return 1;
	order->seg.seq += taken;
	order->seg.payload_offset += taken;
	order->seg.length -= taken;
	order->captured = order->seg.length < SONDE_CAPTURE_MAX ? order->seg.length : SONDE_CAPTURE_MAX;
	order->flags = order->seg.flags | SONDE_FLAG_CONTINUED;
	order->head_end = 0;
	order->more = 0;
	order->room = index + 2 < SONDE_HEAD_MAX / SONDE_CAPTURE_MAX;
	payload__load(at->from, order->seg.payload_offset - 2, two, 2);
	order->previous = (__u32)two[0] << 8 | two[1];
	emit_head_4096(at->from, at->conn, order);
	sonde_run_captured(&at->conn->runs[order->seg.direction == SONDE_OUT], order->seg.seq,
			   order->seg.length, order->captured, order->head_end);
	return 0;
}

/* Sends what is wanted of a segment, and more of it while its head has not ended. in_body: the segment has
 * been walked, it is part of a body. */
static __always_inline void http_run__capture(payload_source *from, struct conn *conn, struct sonde_run *run,
					      struct more_context *at, __u32 wanted, __u32 in_body)
{
	struct head_order *order = &at->order;
	__u32 walked;

	order->previous = run->last;
	sonde_run_note_last(run, (const __u8 *)&order->tail, order->seg.length);
	order->captured = order->seg.length < wanted ? order->seg.length : wanted;
	order->search =
	    HTTP_RUN_LOOPS && !in_body && sonde_run_searches(run, order->seg.length, order->captured);
	order->is_head = run->is_head;
	order->room = 1;
	http_run__emit_head(from, conn, order);
	if (in_body)
		return;
	run->is_head = order->is_head;
	/* counted as captured also when the ring is full: what was lost is counted, not sent twice */
	sonde_run_captured(run, order->seg.seq, order->seg.length, order->captured, order->head_end);
	if (order->more)
		http_run__loop(SONDE_HEAD_MAX / SONDE_CAPTURE_MAX - 1, http_run__capture_more, at);
	/* the head's end, where a walk begins, is in what was captured last */
	walked = http_run__walk(from, &run->walk, &order->seg);
	/* what user space has all of, it walks itself */
	if (walked && order->seg.length > order->captured)
		http_run__progress(conn, &order->seg, order->tail, walked);
}

/* What arrived behind a gap leaves all state alone: user space puts it in its place once the gap is filled.
 */
static __always_inline void http_run__early(payload_source *from, struct conn *conn,
					    const struct sonde_run *run, struct head_order *order)
{
	__u32 limit = sonde_cfg.capture_bytes;

	if (run->early > SONDE_EARLY_SENT)
		return;
	order->seg.flags |= SONDE_FLAG_EARLY;
	order->tail = http_run__tail(from, &order->seg);
	if (order->seg.length == 0) {
		http_run__progress(conn, &order->seg, order->tail, 0);
		return;
	}
	order->flags |= SONDE_FLAG_EARLY;
	order->search = 0;
	order->captured = order->seg.length < limit ? order->seg.length : limit;
	http_run__emit_head(from, conn, order);
}

/* Bytes of a connection that carries HTTP/1 or may yet. */
HTTP_RUN_GLOBAL int http_run__take(payload_source *from, struct conn *conn, const struct segment *seg,
				   __u32 is_request)
{
	struct more_context at = {};
	struct segment *left = &at.order.seg;
	__u32 wanted = 0, walked, skip, fills_gap;
	struct sonde_run *run;

	if (!conn || !seg)
		return 0;
	run = &conn->runs[seg->direction == SONDE_OUT];
	fills_gap = run->early;
	at.from = from;
	at.conn = conn;
	at.order.seg = *seg;
	at.order.flags = seg->flags;
	at.order.type = is_request ? SONDE_REC_REQUEST_HEAD : SONDE_REC_RESPONSE_HEAD;
	if (seg->direction == SONDE_OUT && !conn->runs[0].started) {
		/* what comes in continues what has been acknowledged */
		conn->runs[0].started = 1;
		conn->runs[0].next_seq = seg->ack;
	}
	switch (sonde_run_arrival(run, seg->seq, seg->length, seg->direction == SONDE_IN, &skip)) {
	case SONDE_ARRIVED_OLD:
		return 0;
	case SONDE_ARRIVED_EARLY:
		http_run__early(from, conn, run, &at.order);
		return 0;
	case SONDE_ARRIVED_NEXT:
		segment__skip(left, skip);
		break;
	}
	if (is_request && conn->state == CONN_MAYBE) {
		http_run__settle(from, conn, left);
		if (conn->state == CONN_IGNORED || conn->state == CONN_HTTP2)
			return 0;
	}
	walked = http_run__walk(from, &run->walk, left);
	if (walked & SONDE_WALKED_END) {
		__u32 length = run->walk.next - left->seq, all = left->length;

		if (length <= all) {
			left->length = length;
			http_run__progress(conn, left, at.order.tail, walked);
			left->length = all;
			walked = 0;
			segment__skip(left, length);
			conn->last_direction = left->direction;
		}
		if (left->length == 0 && !(seg->tcp_flags & SONDE_TCP_FIN))
			return 0;
	}
	if (left->length > 0)
		wanted = http_run__bytes_wanted(from, conn, run, left, is_request, walked, &at.order.flags);
	if (wanted == 0 && !fills_gap && !(seg->tcp_flags & (SONDE_TCP_PSH | SONDE_TCP_FIN)))
		return 0;
	at.order.tail = http_run__tail(from, left);
	if (wanted == 0) {
		http_run__progress(conn, left, at.order.tail, walked);
		return 0;
	}
	if (walked)
		http_run__progress(conn, left, at.order.tail, walked);
	/* a head that the application has yet to read: socket.bpf.c reports when it does */
	if (seg->direction == SONDE_IN && !conn->unread) {
		conn->unread_seq = left->seq;
		conn->unread = 1;
	}
	/* the head takes along what waits; only where that is in both directions, one needs a record of its
	 * own */
	if (progress__waits(conn, SONDE_IN))
		progress__flush(conn, SONDE_OUT);
	http_run__capture(from, conn, run, &at, wanted, walked);
	return 0;
}

#endif
