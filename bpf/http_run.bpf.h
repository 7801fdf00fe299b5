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

#ifndef SONDE_PLAIN
/* Functions that the verifier looks at once, and not with every state of their callers: with pointers to
 * memory from kernel commit e5069b9c23b3 (5.12) on. */
#define HTTP_RUN_GLOBAL __noinline
#define HTTP_RUN_LOOPS 1
#else
#define HTTP_RUN_GLOBAL static __noinline
#define HTTP_RUN_LOOPS 0
#endif

/* The segment's payload from its n-th byte on; n may be negative, to go back. */
static __always_inline void segment__skip(struct segment *seg, __s32 n)
{
	seg->seq += n;
	seg->payload_offset += n;
	seg->length -= n;
}

struct sniffed {
	__u8 bytes[24];
};

static __always_inline int http_run__judge(const struct sniffed *from, __u32 n, __u32 is_request)
{
	return is_request ? sonde_sniff_request(from->bytes, n) : sonde_sniff_response(from->bytes, n);
}

/* n: bytes of payload among them. */
HTTP_RUN_GLOBAL int http_run__verdict(const struct sniffed *from, __u32 n, __u32 is_request)
{
	return from ? http_run__judge(from, n, is_request) : SONDE_SNIFF_NO;
}

static __always_inline __u32 http_run__sniff(payload_source *from, const struct segment *seg,
					     struct sniffed *sniffed)
{
	__u64 n = seg->length, beyond_first;

	if (n > SONDE_SNIFF_BYTES)
		n = SONDE_SNIFF_BYTES;
	beyond_first = n - 1; /* as in DEFINE_EMIT_HEAD */
	asm volatile("" : "+r"(beyond_first));
	if (beyond_first > SONDE_SNIFF_BYTES - 1)
		return 0;
	if (payload__load(from, seg->payload_offset, sniffed->bytes, beyond_first + 1))
		return 0;
	return n;
}

/* What the segment itself begins like: SONDE_SNIFF_*; no bytes are NO. */
HTTP_RUN_GLOBAL int http_run__segment_verdict(payload_source *from, const struct segment *seg,
					      __u32 is_request)
{
	struct sniffed sniffed = {};
	__u32 n;

	if (!seg)
		return SONDE_SNIFF_NO;
	n = http_run__sniff(from, seg, &sniffed);
	return n ? http_run__judge(&sniffed, n, is_request) : SONDE_SNIFF_NO;
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

/* What emit_head_* is to send, and what it found: by reference, since a BPF function takes five arguments at
 * most. */
struct head_order {
	struct segment seg;
	__u32 type;
	__u32 flags;
	__u32 captured;
	__u8 tail[SONDE_TAIL_BYTES];
	__u32 search;	/* look for the head's end */
	__u32 previous; /* the two bytes before these, for the search */
	__u32 room;	/* more of the head may be captured behind these bytes */
	__u32 is_head;	/* enum sonde_head_kind, so far; found */
	__u32 head_end; /* found: offset behind the head, 0: not among these bytes */
	__u32 more;	/* found: another record with the next bytes is to follow */
};

/* What waited in either direction goes with the head that now passes. Returns the flag that says what
 * `before` holds. */
static __always_inline __u32 http_run__take_waiting(struct conn *conn, struct sonde_passed *before)
{
	if (progress__take(conn, SONDE_IN, before))
		return SONDE_FLAG_BEFORE_IN;
	if (progress__take(conn, SONDE_OUT, before))
		return SONDE_FLAG_BEFORE_OUT;
	__builtin_memset(before, 0, sizeof(*before));
	return 0;
}

static __always_inline void http_run__fill_head(struct sonde_head *head, struct conn *conn,
						const struct head_order *order, __u32 captured)
{
	const struct segment *seg = &order->seg;

	head->seq = seg->seq;
	head->length = seg->length;
	head->captured = captured;
	head->direction = seg->direction;
	head->tcp_flags = seg->tcp_flags;
	head->ack = seg->ack;
	__builtin_memcpy(head->tail, order->tail, SONDE_TAIL_BYTES);
	head->h.flags |= http_run__take_waiting(conn, &head->before);
	if (seg->time_ns)
		head->h.time_ns = seg->time_ns;
	if (seg->direction == SONDE_OUT)
		head->h.flags |= thread_clock__read(&head->thread, head->h.time_ns);
	else
		__builtin_memset(&head->thread, 0, sizeof(head->thread));
}

/* Before 5.17 (kernel commit e6f2dd0f8067) there is no bpf_loop, and such loops in full are more than a
 * verifier looks at: no step is taken then, no head's end is found and no body followed. User space knows
 * that. */
static __always_inline long http_run__loop(__u32 steps, void *step, void *context)
{
#if HTTP_RUN_LOOPS
	return bpf_loop(steps, step, context, 0);
#else
	return 0;
#endif
}

struct search_context {
	struct sonde_search search;
	const __u8 *data;
	__u32 n;
};

/* One function per size class: a reservation is a constant, copy and search are bounded by it. The search is
 * a bpf_loop (kernel commit e6f2dd0f8067, 5.17): the verifier looks at one step, not at all of them. */
#define DEFINE_EMIT_HEAD(max)                                                                                \
	static long search_step_##max(__u64 index, void *context)                                            \
	{                                                                                                    \
		struct search_context *at = context;                                                         \
                                                                                                             \
		if (index >= max / 64 || index * 64 >= at->n)                                                \
			return 1;                                                                            \
		_Pragma("unroll") for (__u32 i = 0; i < 64; i += 8)                                          \
		{                                                                                            \
			const __u64 *word = (const __u64 *)(at->data + index * 64 + i);                      \
                                                                                                             \
			if (sonde_search_word(&at->search, *word, index * 64 + i))                           \
				return 1;                                                                    \
		}                                                                                            \
		return 0;                                                                                    \
	}                                                                                                    \
                                                                                                             \
	HTTP_RUN_GLOBAL int emit_head_##max(payload_source *from, struct conn *conn,                         \
					    struct head_order *order)                                        \
	{                                                                                                    \
		struct sonde_head *head;                                                                     \
		__u64 beyond_first;                                                                          \
		__u32 n;                                                                                     \
                                                                                                             \
		if (!order || !conn)                                                                         \
			return 0;                                                                            \
		beyond_first = (__u64)order->captured - 1;                                                   \
		asm volatile("" : "+r"(beyond_first));                                                       \
		if (beyond_first > (max)-1)                                                                  \
			return 0;                                                                            \
		n = beyond_first + 1;                                                                        \
		head = emit__reserve(order->type, sizeof(*head) + (max), sizeof(*head) + n, conn->cookie,    \
				     order->flags);                                                          \
		if (!head)                                                                                   \
			return 0;                                                                            \
		http_run__fill_head(head, conn, order, n);                                                   \
		if (payload__load(from, order->seg.payload_offset, head->data, beyond_first + 1)) {          \
			emit__discard(head, SONDE_LOSS_READ_FAULT);                                          \
			return 0;                                                                            \
		}                                                                                            \
		if (order->search) {                                                                         \
			struct search_context at = {.data = head->data, .n = n};                             \
                                                                                                             \
			sonde_search_begin(&at.search, order->previous);                                     \
			http_run__loop(max / 64, search_step_##max, &at);                                    \
			http_run__searched(from, head, order, &at.search, n);                                \
		}                                                                                            \
		emit__submit(head);                                                                          \
		return 1;                                                                                    \
	}

/* head: at least 128 bytes of data are readable, `n` of them of the segment. */
static __always_inline void http_run__searched(payload_source *from, struct sonde_head *head,
					       struct head_order *order, const struct sonde_search *search,
					       __u32 n)
{
	int is_request = order->type == SONDE_REC_REQUEST_HEAD;
	__u32 end = sonde_search_end(search);

	if (end && end <= n) {
		order->head_end = end;
		if (is_request && order->head_end < order->seg.length) {
			/* what is behind the head: a body, or another request */
			segment__skip(&order->seg, end);
			if (http_run__segment_verdict(from, &order->seg, 1) != SONDE_SNIFF_NO)
				order->is_head = SONDE_HEAD_PIPELINE;
			segment__skip(&order->seg, -(__s32)end);
		}
	} else if (!(order->flags & SONDE_FLAG_CONTINUED)) {
		order->is_head =
		    http_run__verdict((const struct sniffed *)head->data, n, is_request) != SONDE_SNIFF_NO;
	}
	if (order->head_end && order->is_head != SONDE_HEAD_PIPELINE)
		return;
	if (order->is_head && n < order->seg.length && order->room) {
		head->h.flags |= SONDE_FLAG_MORE;
		order->more = 1;
	}
}

DEFINE_EMIT_HEAD(128)
DEFINE_EMIT_HEAD(256)
DEFINE_EMIT_HEAD(512)
DEFINE_EMIT_HEAD(1024)
DEFINE_EMIT_HEAD(2048)
DEFINE_EMIT_HEAD(4096)

static __always_inline int http_run__emit_head(payload_source *from, struct conn *conn,
					       struct head_order *order)
{
	if (order->captured <= 128)
		return emit_head_128(from, conn, order);
	if (order->captured <= 256)
		return emit_head_256(from, conn, order);
	if (order->captured <= 512)
		return emit_head_512(from, conn, order);
	if (order->captured <= 1024)
		return emit_head_1024(from, conn, order);
	if (order->captured <= 2048)
		return emit_head_2048(from, conn, order);
	return emit_head_4096(from, conn, order);
}

/* A segment that user space need not see the bytes of: how far the body has come. walked: SONDE_WALKED_*. */
static __noinline int http_run__progress(struct conn *conn, const struct segment *seg,
					 const __u8 tail[SONDE_TAIL_BYTES], __u32 walked)
{
	struct sonde_passed passed = {.seq = seg->seq, .length = seg->length};

	passed.time_ns = seg->time_ns ? seg->time_ns : bpf_ktime_get_ns();
	passed.walk = walked;
	passed.walk_start = conn->runs[seg->direction == SONDE_OUT].walk.start;
	__builtin_memcpy(passed.tail, tail, SONDE_TAIL_BYTES);
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

/* Walks the part of a chunked body that this segment is. Returns SONDE_WALKED_*, 0: it is none. */
static __always_inline __u32 http_run__walk(payload_source *from, struct sonde_walk *walk,
					    const struct segment *seg)
{
	struct walk_context at = {.from = from, .walk = walk};
	__u32 skipped = walk->next - seg->seq;

	if (!sonde_walk_active(walk) || seg->length == 0)
		return 0;
	if (skipped > seg->length) { /* bytes are missing in between */
		walk->state = SONDE_WALK_OFF;
		return 0;
	}
	at.offset = seg->payload_offset + skipped;
	at.left = seg->length - skipped;
	http_run__loop(SONDE_WALK_STEPS_MAX, http_run__walk_step, &at);
	if (walk->state == SONDE_WALK_ENDED)
		return SONDE_WALKED_BODY | SONDE_WALKED_END;
	if (at.left > 0)
		walk->state = SONDE_WALK_OFF;
	return sonde_walk_in_body(walk) ? SONDE_WALKED_BODY : 0;
}

/* CONN_MAYBE: join the first segments of the request direction until they tell. */
static __noinline int http_run__settle(payload_source *from, struct conn *conn, const struct segment *seg)
{
	struct sniffed sniffed = {};
	__u32 n = http_run__sniff(from, seg, &sniffed);

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
	sonde_run_note_last(run, order->tail, order->seg.length);
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
	http_run__load_tail(from, &order->seg, order->tail);
	if (order->seg.length == 0) {
		http_run__progress(conn, &order->seg, order->tail, 0);
		return;
	}
	order->flags |= SONDE_FLAG_EARLY;
	order->search = 0;
	order->captured = order->seg.length < limit ? order->seg.length : limit;
	http_run__emit_head(from, conn, order);
}

/* Bytes of a connection that carries HTTP/1 or may yet. Global, like all that is not static here: the
 * verifier looks at it once, and not with every state of its callers. */
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
		if (conn->state == CONN_IGNORED)
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
	http_run__load_tail(from, left, at.order.tail);
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
