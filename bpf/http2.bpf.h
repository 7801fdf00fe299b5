/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* HTTP/2 in the kernel: walks the frames of one piece (bpf/shared/http2_walk.h) and emits what it kept.
 *
 * Where the bytes come from is up to the program that includes this: as for http_run.bpf.h, it defines
 * payload_source and payload__load before it does. bpf_loop (kernel commit e6f2dd0f8067, 5.17) makes the
 * number of frames no matter of the verifier's. */
#ifndef SONDE_HTTP2_BPF_H
#define SONDE_HTTP2_BPF_H

#include "bpf/emit.bpf.h"
#include "bpf/http2_state.bpf.h"
#include "bpf/payload.bpf.h"
#include "bpf/thread_clock.bpf.h"
#include "bpf/upgrade.bpf.h"

/* The smallest frames fill a segment train of 64 KiB with 7282 headers; each takes two steps at most, and
 * what is copied takes one more every SONDE_HTTP2_CHUNK. */
#define HTTP2_STEPS_MAX 16384
#define HTTP2_PROBE_FRAMES_MAX 256
/* a boundary is never farther than the largest frame that is taken up; each byte on the way is a step */
#define HTTP2_SEARCH_MAX (SONDE_HTTP2_PLAUSIBLE_MAX + 1024)

/* Some 400 µs: longer than the search for a boundary behind a hole, which whoever brings the missing piece
 * has to wait for. */
#define HTTP2_LOCK_TRIES 65536

/* Where a record is put together. Slots: a packet hook on this CPU may be interrupted by another. */
#define HTTP2_SLOTS 4
struct http2_slot {
	__u32 busy;
	__u32 pad;
	struct sonde_http2_walk walk;
};

/* Purpose: scratch space of the HTTP/2 walk. Key: slot. Per CPU; all busy: counted as http2_frames/map_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HTTP2_SLOTS);
	__type(key, __u32);
	__type(value, struct http2_slot);
} http2_slots SEC(".maps");

/* What the steps of a loop share. */
struct http2_loop {
	payload_source *from;
	struct sonde_http2_walk *walk;
	const struct segment *seg;
	const struct conn *conn;
	__u32 done;
	__u32 flags; /* SONDE_FLAG_* of the records */
};

static __always_inline long http2__load(void *source, __u32 offset, void *to, __u32 n)
{
	struct http2_loop *loop = source;

	return payload__load(loop->from, loop->seg->payload_offset + offset, to, n);
}

/* Global: the verifier looks at it once, and not wherever a walk may come here. */
HTTP_RUN_GLOBAL int http2__emit(struct sonde_http2_walk *walk, const struct segment *seg,
				const struct conn *conn, __u32 flags)
{
	struct sonde_http2_frames *record;
	const struct sonde_http2_direction *begin;
	__u64 used;

	if (!walk || !seg || !conn)
		return 0;
	record = (struct sonde_http2_frames *)walk->record;
	begin = &walk->begin;
	used = walk->used;
	flags |= seg->flags;
	asm volatile("" : "+r"(used));
	if (used > SONDE_HTTP2_CAPTURE_MAX)
		return 0;
	record->h.time_ns = seg->time_ns ? seg->time_ns : bpf_ktime_get_ns();
	record->seq = begin->next_seq;
	record->length = walk->at.next_seq - begin->next_seq;
	record->ack = seg->ack;
	record->left = begin->left;
	record->keep = begin->keep;
	record->captured = used;
	record->direction = seg->direction;
	record->tcp_flags = seg->tcp_flags;
	__builtin_memcpy(record->carry, begin->carry, sizeof(record->carry));
	record->carried = begin->carried;
	record->role = conn->role;
	__builtin_memset(record->pad, 0, sizeof(record->pad));
	record->pad2 = 0;
	if (seg->direction == SONDE_OUT)
		flags |= thread_clock__read(&record->thread, record->h.time_ns);
	else
		__builtin_memset(&record->thread, 0, sizeof(record->thread));
	if (!begin->started)
		flags |= SONDE_FLAG_HTTP2_START;
	walk->at.started = 1;
	emit__output(SONDE_REC_HTTP2_FRAMES, record, sizeof(*record) + used, conn->cookie, flags);
	sonde_http2_record_taken(walk);
	return 0;
}

static long http2__step(__u64 i, void *ctx)
{
	struct http2_loop *loop = ctx;

	switch (sonde_http2_step(loop->walk, loop, http2__load)) {
	case SONDE_HTTP2_MORE:
		return 0;
	case SONDE_HTTP2_FULL:
		http2__emit(loop->walk, loop->seg, loop->conn, loop->flags);
		return 0;
	case SONDE_HTTP2_END:
		loop->done = 1;
		return 1;
	default:
		return 1;
	}
}

static long http2__probe_step(__u64 i, void *ctx)
{
	struct http2_loop *loop = ctx;

	return sonde_http2_probe_step((struct sonde_http2_probe *)loop->walk->record, loop, http2__load);
}

static long http2__search_step(__u64 i, void *ctx)
{
	struct http2_loop *loop = ctx;

	return sonde_http2_search_step((struct sonde_http2_search *)loop->walk->record, loop->walk->bytes,
				       loop, http2__load);
}

/* A free slot of this CPU; none: four hooks have interrupted each other. */
static __always_inline struct http2_slot *http2__slot(void)
{
	struct http2_slot *slot;
	__u32 key;

#pragma unroll
	for (key = 0; key < HTTP2_SLOTS; key++) {
		__u32 at = key;

		slot = bpf_map_lookup_elem(&http2_slots, &at);
		if (slot && __sync_lock_test_and_set(&slot->busy, 1) == 0)
			return slot;
	}
	return 0;
}

struct http2_lock {
	__u32 *busy;
	__u32 taken;
	__u32 pad;
};

static long http2__try_lock(__u64 i, void *ctx)
{
	struct http2_lock *lock = ctx;

	lock->taken = __sync_lock_test_and_set(lock->busy, 1) == 0;
	return lock->taken;
}

/* One walk of a direction at a time: over loopback, segments of one connection may come in on two CPUs at
 * once. A walk takes microseconds. 0: it took longer than anybody may wait here. */
static __always_inline int http2__lock(__u32 *busy)
{
	struct http2_lock lock = {.busy = busy};

	bpf_loop(HTTP2_LOCK_TRIES, http2__try_lock, &lock, 0);
	return lock.taken;
}

/* Walks the piece's bytes [offset, end) from `at` on, and emits what it kept. */
static __always_inline void http2__walk_from(struct sonde_http2_direction *at, struct http2_loop *loop,
					     __u32 offset, __u32 end)
{
	struct sonde_http2_walk *walk = loop->walk;

	loop->done = 0;
	sonde_http2_walk_begin(walk, at, offset, end);
	bpf_loop(HTTP2_STEPS_MAX, http2__step, loop, 0);
	if (sonde_http2_has_news(walk) || (loop->seg->tcp_flags & (SONDE_TCP_PSH | SONDE_TCP_FIN)))
		http2__emit(walk, loop->seg, loop->conn, loop->flags);
	if (!loop->done) {
		/* unreadable: the boundary has to be found again */
		emit__lost_before_reserve(SONDE_REC_HTTP2_FRAMES, SONDE_LOSS_READ_FAULT);
		walk->at.sync = SONDE_HTTP2_LOST;
	}
	*at = walk->at;
}

/* From here on nothing is known: user space is to take nothing for the end of what was open. */
static __always_inline void http2__emit_lost(struct sonde_http2_direction *at, struct http2_loop *loop)
{
	sonde_http2_walk_begin(loop->walk, at, 0, 0);
	http2__emit(loop->walk, loop->seg, loop->conn, SONDE_FLAG_HTTP2_LOST);
}

/* Where frames begin is not known, and no hole is being filled that could tell. 1: this piece tells. */
static __always_inline int http2__resync(struct sonde_http2_direction *at, struct http2_loop *loop)
{
	struct sonde_http2_probe *probe = (struct sonde_http2_probe *)loop->walk->record;

	__builtin_memset(probe, 0, sizeof(*probe));
	probe->end = loop->seg->length;
	bpf_loop(HTTP2_PROBE_FRAMES_MAX, http2__probe_step, loop, 0);
	if (!probe->found)
		return 0;
	sonde_http2_resync(at, loop->seg->seq);
	return 1;
}

/* The piece directly behind a hole, or behind others that came too early. 1: it can be walked. */
static __always_inline int http2__search(struct sonde_http2_direction *at, struct sonde_http2_hole *hole,
					 struct http2_loop *loop)
{
	struct sonde_http2_search *search = (struct sonde_http2_search *)loop->walk->record;

	__builtin_memset(search, 0, sizeof(*search));
	search->end = loop->seg->length;
	bpf_loop(HTTP2_SEARCH_MAX, http2__search_step, loop, 0);
	return sonde_http2_hole_searched(hole, at, search, loop->seg->length);
}

/* The part of the piece that lies in a hole before what has come already. */
static __always_inline void http2__fill_hole(struct sonde_http2_direction *at, struct sonde_http2_hole *hole,
					     struct http2_loop *loop)
{
	const struct segment *seg = loop->seg;
	__u32 end = seg->length, offset;

	if ((__s32)(seg->seq + end - hole->end) > 0)
		end = hole->end - seg->seq;
	loop->flags = 0;
	if (sonde_http2_align(&hole->at, seg->seq, end, &offset) == SONDE_HTTP2_NEXT)
		http2__walk_from(&hole->at, loop, offset, end);
	if (sonde_http2_hole_check(hole, at)) {
		sonde_http2_walk_begin(loop->walk, &hole->at, 0, 0);
		loop->walk->at = *at;
		http2__emit(loop->walk, seg, loop->conn, 0);
	}
	if (at->sync == SONDE_HTTP2_LOST)
		http2__emit_lost(at, loop);
}

/* A piece could not be walked. Whoever has the direction's state is not to be disturbed: the next piece finds
 * this. */
static __always_inline void http2__miss(struct conn *conn, __u32 direction, __u32 record)
{
	conn->frames_missed[direction & 1] = 1;
	emit__lost_before_reserve(record, SONDE_LOSS_MAP_FULL);
}

static __always_inline int http2__take_missed(struct conn *conn, __u32 direction)
{
	__u32 *missed = &conn->frames_missed[direction & 1];

	return *missed && __sync_lock_test_and_set(missed, 0);
}

/* Where the walk of this piece begins. 1: it can be walked. */
static __always_inline int http2__place(struct conn *conn, struct sonde_http2_direction *at,
					struct sonde_http2_hole *hole, struct http2_loop *loop, __u32 *offset)
{
	const struct segment *seg = loop->seg;

	*offset = 0;
	if (http2__take_missed(conn, seg->direction) || sonde_http2_hole_is_stale(hole, at)) {
		hole->at.sync = SONDE_HTTP2_LOST;
		at->sync = SONDE_HTTP2_LOST;
	} else if (at->sync == SONDE_HTTP2_LOST) {
		return http2__resync(at, loop);
	} else if (at->sync == SONDE_HTTP2_UNKNOWN) {
		if (seg->seq == at->next_seq)
			return http2__search(at, hole, loop);
		if (sonde_seq_before(seg->seq, at->next_seq))
			return 0;
		at->sync = SONDE_HTTP2_LOST; /* a second hole */
	} else {
		switch (sonde_http2_align(at, seg->seq, seg->length, offset)) {
		case SONDE_HTTP2_NEXT:
			return 1;
		case SONDE_HTTP2_OLD:
			return 0;
		default:
			break;
		}
		if (!sonde_http2_hole_open(hole)) {
			sonde_http2_hole_begin(hole, at, seg->seq);
			return http2__search(at, hole, loop);
		}
	}
	if (http2__resync(at, loop))
		return 1;
	http2__emit_lost(at, loop);
	return 0;
}

/* Walks the piece, in the scratch space of `slot`. */
static __always_inline void http2__walk_in(struct http2_slot *slot, payload_source *from, struct conn *conn,
					   const struct segment *seg)
{
	struct sonde_http2_direction *at = &conn->http2[seg->direction & 1];
	struct sonde_http2_hole *hole = &conn->http2_holes[seg->direction & 1];
	struct http2_loop loop = {.from = from, .walk = &slot->walk, .seg = seg, .conn = conn};
	__u32 offset;

	slot->walk.headers = 0;
	if (!at->begun)
		http2__take_up(at, &conn->http2_starts[seg->direction & 1]);
	if (sonde_http2_hole_open(hole) && sonde_seq_before(seg->seq, hole->end))
		http2__fill_hole(at, hole, &loop);
	if (http2__place(conn, at, hole, &loop, &offset)) {
		loop.flags = sonde_http2_hole_open(hole) ? SONDE_FLAG_HTTP2_AHEAD : 0;
		http2__walk_from(at, &loop, offset, seg->length);
	}
	/* socket.bpf.c reports when the application reads it */
	if (seg->direction == SONDE_IN && slot->walk.headers > 0) {
		if (!conn->unread)
			conn->unread_seq = seg->seq;
		if (!conn->unread || sonde_seq_before(conn->head_seq, slot->walk.headers_seq))
			conn->head_seq = slot->walk.headers_seq;
		conn->unread = 1;
	}
}

static __always_inline void http2__walk_websocket(payload_source *from, struct conn *conn,
						  const struct segment *seg)
{
	if (!http2__lock(&conn->frames_busy[seg->direction & 1])) {
		http2__miss(conn, seg->direction, SONDE_REC_WEBSOCKET);
		return;
	}
	if (http2__take_missed(conn, seg->direction))
		conn->websocket[seg->direction & 1].walk.state = SONDE_WEBSOCKET_LOST;
	websocket__walk(from, conn, seg);
	__sync_lock_test_and_set(&conn->frames_busy[seg->direction & 1], 0);
}

/* Walks one piece of a connection that is HTTP/2 or WebSocket, or becomes it with this piece. */
static __always_inline void http2__walk(payload_source *from, struct conn *conn, const struct segment *seg)
{
	struct http2_slot *slot;

	if (conn->state == CONN_WEBSOCKET) {
		http2__walk_websocket(from, conn, seg);
		return;
	}
	if (seg->length == 0)
		return;
	slot = http2__slot();
	if (!slot) {
		http2__miss(conn, seg->direction, SONDE_REC_HTTP2_FRAMES);
		return;
	}
	if (!http2__lock(&conn->frames_busy[seg->direction & 1])) {
		http2__miss(conn, seg->direction, SONDE_REC_HTTP2_FRAMES);
		goto release;
	}
	if (conn->state == CONN_HTTP1)
		upgrade__search(from, conn, seg);
	if (conn->state == CONN_HTTP2)
		http2__walk_in(slot, from, conn, seg);
	else if (conn->state == CONN_WEBSOCKET)
		websocket__walk(from, conn, seg); /* what follows the head */
	__sync_lock_test_and_set(&conn->frames_busy[seg->direction & 1], 0);
release:
	__sync_lock_test_and_set(&slot->busy, 0);
}

#endif
