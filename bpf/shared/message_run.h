/* One direction of a connection as the kernel follows it: what has passed, how much of a head has been
 * captured, and where a chunked body stands. Plain C, without a kernel helper. */
#ifndef SONDE_MESSAGE_RUN_H
#define SONDE_MESSAGE_RUN_H

#include "chunk_walk.h"

/* A head that is longer than the configured capture is followed up to this many bytes: nginx takes 32 KiB of
 * request head at most, Apache 8 KiB per line, Node 16 KiB. */
#define SONDE_HEAD_MAX (16 << 10)

/* Segments behind a gap that are taken for early; with more of them the gap is no reordering but something
 * that this hook did not see. */
#define SONDE_EARLY_MAX 256
/* The first of them are sent to user space to be put in order; a head is not longer. */
#define SONDE_EARLY_SENT 8

/* What is captured beyond the configured number of bytes, up to SONDE_HEAD_MAX. */
enum sonde_head_kind {
	SONDE_HEAD_NO = 0,
	SONDE_HEAD_LONG = 1,	 /* begins like a message and has not ended */
	SONDE_HEAD_PIPELINE = 2, /* has ended, and another request follows at once */
};

struct sonde_run {
	__u32 started;	     /* next_seq holds */
	__u32 next_seq;	     /* all bytes before it have passed */
	__u32 captured;	     /* payload bytes of the head that were sent to user space */
	__u32 head_complete; /* the head's end has passed: nothing more to capture */
	__u32 is_head;	     /* enum sonde_head_kind */
	__u32 last;	     /* the last four bytes of its last segment */
	__u32 early;	     /* number of segments that arrived behind a gap … */
	__u32 early_seq;     /* … the first byte of them … */
	__u32 early_end;     /* … and the one behind the last */
	__u32 pad;
	struct sonde_walk walk;
};

enum sonde_arrival {
	SONDE_ARRIVED_OLD,   /* all of it has passed before: a retransmission */
	SONDE_ARRIVED_NEXT,  /* from its byte `*skip` on it continues what has passed */
	SONDE_ARRIVED_EARLY, /* behind a gap */
};

/* Where a segment of at least one byte, or a bare FIN, stands in its direction. TCP's own rcv_nxt does not
 * tell: it lags while the application holds the socket and segments wait in its backlog. may_be_early: what
 * comes in; what goes out leaves in order, so a gap there is something that this hook did not see. */
static __always_inline enum sonde_arrival sonde_run_arrival(struct sonde_run *run, __u32 seq, __u32 length,
							    int may_be_early, __u32 *skip)
{
	__u32 end = seq + length;

	*skip = 0;
	if (!run->started) {
		run->started = 1;
		run->next_seq = end;
		return SONDE_ARRIVED_NEXT;
	}
	if (length == 0)
		return seq == run->next_seq ? SONDE_ARRIVED_NEXT : SONDE_ARRIVED_OLD;
	if (!sonde_seq_before(run->next_seq, end))
		return SONDE_ARRIVED_OLD;
	if (may_be_early && sonde_seq_before(run->next_seq, seq) && run->early < SONDE_EARLY_MAX) {
		if (run->early++ == 0 || sonde_seq_before(seq, run->early_seq))
			run->early_seq = seq;
		if (run->early == 1 || sonde_seq_before(run->early_end, end))
			run->early_end = end;
		return SONDE_ARRIVED_EARLY;
	}
	if (sonde_seq_before(seq, run->next_seq))
		*skip = run->next_seq - seq;
	run->next_seq = end;
	if (run->early && !sonde_seq_before(end, run->early_seq)) {
		/* the gap is filled; a second one behind it is given up */
		if (sonde_seq_before(end, run->early_end))
			run->next_seq = run->early_end;
		run->early = 0;
	}
	return SONDE_ARRIVED_NEXT;
}

/* The run's head is not complete yet: the segment continues it. */
static __always_inline int sonde_run_continues(const struct sonde_run *run, __u32 limit)
{
	if (run->head_complete)
		return 0;
	return run->captured < limit || (run->is_head && run->captured < SONDE_HEAD_MAX);
}

static __always_inline void sonde_run_begin(struct sonde_run *run)
{
	run->captured = 0;
	run->head_complete = 0;
	run->is_head = 0;
	run->last = 0;
	run->walk.state = SONDE_WALK_OFF;
}

/* tail: the last bytes of a segment of `length` bytes, right-aligned. */
static __always_inline void sonde_run_note_last(struct sonde_run *run, const __u8 tail[SONDE_TAIL_BYTES],
						__u32 length)
{
	const __u8 *end = tail + SONDE_TAIL_BYTES;

	if (length == 1)
		run->last = run->last << 8 | end[-1];
	else if (length == 2)
		run->last = run->last << 16 | (__u32)end[-2] << 8 | end[-1];
	else if (length == 3)
		run->last = run->last << 24 | (__u32)end[-3] << 16 | (__u32)end[-2] << 8 | end[-1];
	else
		run->last = (__u32)end[-4] << 24 | (__u32)end[-3] << 16 | (__u32)end[-2] << 8 | end[-1];
}

#define SONDE_CRLF_CRLF 0x0d0a0d0aU

/* Whether the bytes of a head record are searched for the head's end: not where the segment is a head and
 * nothing else, which is most often so. */
static __always_inline int sonde_run_searches(const struct sonde_run *run, __u32 length, __u32 captured)
{
	return length > captured || run->last != SONDE_CRLF_CRLF;
}

/* `captured` bytes of a segment of `length` bytes at seq went to user space; head_end: offset of the first
 * byte behind the head, 0: not found among them. */
static __always_inline void sonde_run_captured(struct sonde_run *run, __u32 seq, __u32 length, __u32 captured,
					       __u32 head_end)
{
	run->captured += captured;
	if (captured == length && (run->last == SONDE_CRLF_CRLF || (run->last & 0xffff) == 0x0a0a)) {
		run->head_complete = run->is_head != SONDE_HEAD_PIPELINE;
		if (!head_end || run->is_head == SONDE_HEAD_PIPELINE)
			head_end = length;
	}
	if (!head_end)
		return;
	/* with bytes behind the head the run is not over: the next head may begin, or go on, in the next
	 * segment */
	if (run->is_head == SONDE_HEAD_LONG)
		run->is_head = SONDE_HEAD_NO;
	sonde_walk_begin(&run->walk, seq + head_end);
}

#endif
