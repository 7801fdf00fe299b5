/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Progress that waits. Only the last segment of a body matters, and nobody knows which one that is when it
 * passes; so each is kept in the connection, over the one before, until something asks for it: the next head
 * (which carries it, at no record of its own), the end of the connection, or the flush, which user space runs
 * a few times a second (flush.bpf.c). A response of two writes so costs one record, not two. */
#ifndef SONDE_PROGRESS_BPF_H
#define SONDE_PROGRESS_BPF_H

#include "bpf/emit.bpf.h"

/* Writer: the packet program of that direction, one at a time. The flush may read on another CPU: time_ns is
 * zero while the rest changes. Plain stores in this order, since 5.10 has no atomic exchange for programs. */
static __always_inline void progress__keep(struct conn *conn, __u32 direction,
					   const struct sonde_passed *passed)
{
	struct waiting *waiting = &conn->waiting[direction & 1];
	volatile __u64 *time_ns = &waiting->passed.time_ns;

	*time_ns = 0;
	barrier();
	waiting->passed.seq = passed->seq;
	waiting->passed.length = passed->length;
	waiting->passed.walk_start = passed->walk_start;
	waiting->passed.walk = passed->walk;
	__builtin_memcpy(waiting->passed.tail, passed->tail, SONDE_TAIL_BYTES);
	barrier();
	*time_ns = passed->time_ns;
}

static __always_inline int progress__waits(struct conn *conn, __u32 direction)
{
	const struct waiting *waiting = &conn->waiting[direction & 1];

	return waiting->passed.time_ns != 0 && waiting->passed.time_ns != waiting->taken_ns;
}

/* 1: `passed` holds what waited in that direction, and it waits no more */
static __always_inline int progress__take(struct conn *conn, __u32 direction, struct sonde_passed *passed)
{
	struct waiting *waiting = &conn->waiting[direction & 1];
	volatile __u64 *time_ns = &waiting->passed.time_ns;
	__u64 now = *time_ns;

	if (now == 0 || now == waiting->taken_ns)
		return 0;
	passed->seq = waiting->passed.seq;
	passed->length = waiting->passed.length;
	passed->walk_start = waiting->passed.walk_start;
	passed->walk = waiting->passed.walk;
	__builtin_memcpy(passed->tail, waiting->passed.tail, SONDE_TAIL_BYTES);
	passed->time_ns = now;
	if (*time_ns != now)
		return 0; /* being overwritten: the next one takes what is written now */
	waiting->taken_ns = now;
	return 1;
}

static __always_inline void progress__emit(__u64 cookie, __u32 direction, __u32 tcp_flags, __u32 flags,
					   const struct sonde_passed *passed)
{
	struct sonde_progress *progress;

	progress = emit__reserve(SONDE_REC_PROGRESS, sizeof(*progress), sizeof(*progress), cookie, flags);
	if (!progress)
		return;
	progress->passed = *passed;
	progress->direction = direction;
	progress->tcp_flags = tcp_flags;
	progress->pad = 0;
	progress->pad2 = 0;
	emit__submit(progress);
}

static __always_inline void progress__flush(struct conn *conn, __u32 direction)
{
	struct sonde_passed passed;

	if (progress__take(conn, direction, &passed))
		progress__emit(conn->cookie, direction, SONDE_TCP_PSH, 0, &passed);
}

#endif
