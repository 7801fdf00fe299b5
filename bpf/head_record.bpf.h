/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One request_head or response_head record: the bytes, where their head ends, and the progress that waited.
 */
#ifndef SONDE_HEAD_RECORD_BPF_H
#define SONDE_HEAD_RECORD_BPF_H

#include "bpf/emit.bpf.h"
#include "bpf/payload.bpf.h"
#include "bpf/progress.bpf.h"
#include "bpf/thread_clock.bpf.h"

/* What emit_head_* is to send, and what it found: by reference, since a BPF function takes five arguments at
 * most. */
struct head_order {
	struct segment seg;
	__u64 tail; /* http_run__tail */
	__u32 flags;
	__u32 captured;
	__u32 head_end; /* found: offset behind the head, 0: not among these bytes */
	__u16 previous; /* the two bytes before these, for the search */
	__u8 type;
	__u8 search;  /* look for the head's end */
	__u8 room;    /* more of the head may be captured behind these bytes */
	__u8 is_head; /* enum sonde_head_kind, so far; found */
	__u8 more;    /* found: another record with the next bytes is to follow */
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
	__builtin_memcpy(head->tail, &order->tail, SONDE_TAIL_BYTES);
	head->h.flags |= http_run__take_waiting(conn, &head->before);
	if (seg->time_ns)
		head->h.time_ns = seg->time_ns;
	if (seg->direction == SONDE_OUT)
		head->h.flags |= thread_clock__read(&head->thread, head->h.time_ns);
	else
		__builtin_memset(&head->thread, 0, sizeof(head->thread));
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
		n = sonde_bounded(beyond_first + 1, max);                                                    \
		head = emit__reserve(order->type, sizeof(*head) + (max), sizeof(*head) + n, conn->cookie,    \
				     order->flags);                                                          \
		if (!head)                                                                                   \
			return 0;                                                                            \
		http_run__fill_head(head, conn, order, n);                                                   \
		if (payload__load(from, order->seg.payload_offset, head->data, n)) {                         \
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

#endif
