/* The walk over HTTP/2 frames in a stream of TCP payload: where each one begins, and which of its bytes user
 * space is to see. Plain C, shared by the kernel programs and the host tests.
 *
 * The walk goes over one direction of a connection, piece by piece (a TCP segment, or what one TLS call
 * delivered), and copies the 9-byte frame headers and what kept_bytes() says of the payloads. DATA is
 * skipped, never copied:
 *
 *   stream  | hdr | HEADERS payload | hdr | DATA payload ........ | hdr | RST |
 *   copied  | hdr | HEADERS payload | hdr |                         hdr | RST |
 *
 * Whoever knows where a piece begins in its frame can undo this: the lengths in the frame headers tell how
 * many bytes are not there. So the other side (agent/protocol/http2_frame.hpp) needs no list of frames.
 */
#ifndef SONDE_HTTP2_WALK_H
#define SONDE_HTTP2_WALK_H

#include "bounded.h"
#include "http2_frame.h"

enum sonde_http2_sync {
	SONDE_HTTP2_LOST = 0,	 /* where the next frame begins is not known */
	SONDE_HTTP2_SYNCED = 1,	 /* known */
	SONDE_HTTP2_UNKNOWN = 2, /* not known until a hole is filled (struct sonde_http2_hole) */
};

/* One direction of one connection, between two pieces. */
struct sonde_http2_direction {
	__u32 next_seq; /* position of the next byte to walk */
	__u32 left;	/* payload bytes of the current frame that are still to come */
	__u32 keep;	/* the first of them, that are copied */
	__u8 sync;	/* enum sonde_http2_sync */
	__u8 started;	/* a piece has been walked: the next one does not begin the direction */
	__u8 carried;	/* bytes of a frame header that ended the piece before, 0 … 8 */
	__u8 begun;	/* its first piece has come (bpf/http2_state.bpf.h) */
	__u8 carry[8];
};

/* Loads n bytes at `offset` of the piece; 0 when done. */
typedef long (*sonde_http2_load)(void *source, __u32 offset, void *to, __u32 n);

#define SONDE_HTTP2_CHUNK 2048 /* bytes that one step copies at most */

/* The walk over one piece. */
struct sonde_http2_walk {
	struct sonde_http2_direction at;
	struct sonde_http2_direction begin; /* the state at the first byte of the record being filled */
	__u32 offset;			    /* next byte of the piece */
	__u32 end;			    /* bytes of the piece */
	__u32 used;			    /* bytes copied into the record */
	__u32 ended;			    /* frames that ended since the record began */
	__u32 headers;			    /* HEADERS frames that began since the caller made it 0 */
	__u32 headers_seq;		    /* position of the last one's first byte that is in the piece */
	__u8 head[24];			    /* a frame header put together, and room for any load */
	__u64 record[sizeof(struct sonde_http2_frames) / 8]; /* filled by whoever takes it; bytes follow */
	__u8 bytes[SONDE_HTTP2_CAPTURE_MAX];
};

enum sonde_http2_align {
	SONDE_HTTP2_OLD,  /* all of it was walked before */
	SONDE_HTTP2_NEXT, /* walk from `offset` on */
	SONDE_HTTP2_GAP,  /* bytes before it are missing: the state says LOST now */
};

/* Places a piece of `length` bytes at `seq`. A hole inside skipped payload does no harm: its bytes would
 * have been skipped, too. */
static __always_inline enum sonde_http2_align sonde_http2_align(struct sonde_http2_direction *at, __u32 seq,
								__u32 length, __u32 *offset)
{
	__s32 gap = (__s32)(seq - at->next_seq);

	*offset = 0;
	if (at->sync != SONDE_HTTP2_SYNCED)
		return SONDE_HTTP2_GAP;
	if (gap <= 0) {
		*offset = (__u32)-gap;
		return *offset < length ? SONDE_HTTP2_NEXT : SONDE_HTTP2_OLD;
	}
	if (at->keep == 0 && at->carried == 0 && (__u32)gap <= at->left) {
		at->left -= (__u32)gap;
		at->next_seq = seq;
		return SONDE_HTTP2_NEXT;
	}
	at->sync = SONDE_HTTP2_LOST;
	return SONDE_HTTP2_GAP;
}

/* A boundary was found at `seq`. */
static __always_inline void sonde_http2_resync(struct sonde_http2_direction *at, __u32 seq)
{
	at->next_seq = seq;
	at->left = 0;
	at->keep = 0;
	at->carried = 0;
	at->sync = SONDE_HTTP2_SYNCED;
	at->started = 1; /* it does not begin here */
}

/* Ready to walk the piece's bytes [offset, end). */
static __always_inline void sonde_http2_walk_begin(struct sonde_http2_walk *w,
						   const struct sonde_http2_direction *at, __u32 offset,
						   __u32 end)
{
	w->at = *at;
	w->begin = *at;
	w->offset = offset;
	w->end = end;
	w->used = 0;
	w->ended = 0;
	__builtin_memcpy(w->head, at->carry, sizeof(at->carry));
}

/* The record in `bytes` has been taken: the next one begins here. */
static __always_inline void sonde_http2_record_taken(struct sonde_http2_walk *w)
{
	w->begin = w->at;
	w->used = 0;
	w->ended = 0;
}

static __always_inline void sonde_http2_advance(struct sonde_http2_walk *w, __u32 n)
{
	w->offset += n;
	w->at.next_seq += n;
}

enum sonde_http2_step {
	SONDE_HTTP2_MORE,  /* step again */
	SONDE_HTTP2_FULL,  /* take the record, then step again */
	SONDE_HTTP2_END,   /* the piece is done */
	SONDE_HTTP2_FAULT, /* the piece could not be read */
};

/* Loads n bytes into the record, 1 … SONDE_HTTP2_CHUNK. Bounds are checked on 64-bit values that the compiler
 * cannot take apart, and on the count less one: before 6.3 the verifier does not learn from n != 0 that n is
 * at least 1. */
static __always_inline int sonde_http2_take(struct sonde_http2_walk *w, __u64 n, void *source,
					    sonde_http2_load load)
{
	__u64 used = w->used, beyond_first = n - 1;

	asm volatile("" : "+r"(used), "+r"(beyond_first));
	if (beyond_first > SONDE_HTTP2_CHUNK - 1 || used > SONDE_HTTP2_CAPTURE_MAX - SONDE_HTTP2_CHUNK)
		return -1;
	if (load(source, w->offset, w->bytes + used, sonde_bounded(beyond_first + 1, SONDE_HTTP2_CHUNK)))
		return -1;
	w->used = (__u32)(used + beyond_first + 1);
	return 0;
}

/* The next chunk of kept payload, n bytes at most. */
static __always_inline enum sonde_http2_step sonde_http2_step_kept(struct sonde_http2_walk *w, __u64 n,
								   void *source, sonde_http2_load load)
{
	if (n > w->at.keep)
		n = w->at.keep;
	if (n > SONDE_HTTP2_CHUNK)
		n = SONDE_HTTP2_CHUNK;
	if (sonde_http2_take(w, n, source, load))
		return SONDE_HTTP2_FAULT;
	w->at.keep -= (__u32)n;
	w->at.left -= (__u32)n;
	if (w->at.left == 0)
		w->ended++;
	sonde_http2_advance(w, (__u32)n);
	return SONDE_HTTP2_MORE;
}

/* A frame header, or what the piece has of it. */
static __always_inline enum sonde_http2_step sonde_http2_step_header(struct sonde_http2_walk *w, __u64 n,
								     void *source, sonde_http2_load load)
{
	__u64 carried = w->at.carried, beyond_first;
	struct sonde_http2_header h;
	__u8 *header;

	if (carried >= SONDE_HTTP2_HEADER_BYTES)
		return SONDE_HTTP2_FAULT;
	if (n > SONDE_HTTP2_HEADER_BYTES - carried)
		n = SONDE_HTTP2_HEADER_BYTES - carried;
	if (sonde_http2_take(w, n, source, load))
		return SONDE_HTTP2_FAULT;
	header = w->head;
	beyond_first = n - 1;
	asm volatile("" : "+r"(carried), "+r"(beyond_first));
	if (carried >= SONDE_HTTP2_HEADER_BYTES || beyond_first > SONDE_HTTP2_HEADER_BYTES - 1)
		return SONDE_HTTP2_FAULT;
	/* head has room for 16 behind any of these */
	if (load(source, w->offset, header + carried, sonde_bounded(beyond_first + 1, 16)))
		return SONDE_HTTP2_FAULT;
	if (carried + n < SONDE_HTTP2_HEADER_BYTES) {
		w->at.carried = (__u8)(carried + n);
		__builtin_memcpy(w->at.carry, w->head, sizeof(w->at.carry));
		sonde_http2_advance(w, (__u32)n);
		return SONDE_HTTP2_END;
	}
	sonde_http2_parse(header, &h);
	if (h.type == SONDE_HTTP2_HEADERS) {
		w->headers++;
		w->headers_seq = w->at.next_seq;
	}
	w->at.carried = 0;
	w->at.left = h.length;
	w->at.keep = sonde_http2_kept(h.type, h.flags, h.length);
	if (h.length == 0)
		w->ended++;
	sonde_http2_advance(w, (__u32)n);
	return SONDE_HTTP2_MORE;
}

/* One frame header, or one chunk of kept payload. Each step makes progress, or says why not. */
static __always_inline enum sonde_http2_step sonde_http2_step(struct sonde_http2_walk *w, void *source,
							      sonde_http2_load load)
{
	__u64 n = w->end - w->offset;

	if (w->offset >= w->end)
		return SONDE_HTTP2_END;
	if (w->used > SONDE_HTTP2_CAPTURE_MAX - SONDE_HTTP2_CHUNK)
		return SONDE_HTTP2_FULL;
	if (w->at.keep > 0)
		return sonde_http2_step_kept(w, n, source, load);
	if (w->at.left > 0) {
		if (n > w->at.left)
			n = w->at.left;
		w->at.left -= (__u32)n;
		if (w->at.left == 0)
			w->ended++;
		sonde_http2_advance(w, (__u32)n);
		if (w->offset >= w->end)
			return SONDE_HTTP2_END;
		n = w->end - w->offset;
	}
	return sonde_http2_step_header(w, n, source, load);
}

/* Looks for the boundary again: a piece that is frames from its first byte to its last, and nothing else. */
struct sonde_http2_probe {
	__u32 offset;
	__u32 end;
	__u32 frames; /* plausible ones so far */
	__u32 found;  /* the whole piece is frames */
};

/* 0: look at the next frame; 1: the answer is in `found`. */
static __always_inline int sonde_http2_probe_step(struct sonde_http2_probe *p, void *source,
						  sonde_http2_load load)
{
	__u8 bytes[SONDE_HTTP2_HEADER_BYTES];
	struct sonde_http2_header h;

	if (p->offset == p->end) {
		p->found = p->frames > 0;
		return 1;
	}
	if (p->end - p->offset < SONDE_HTTP2_HEADER_BYTES || load(source, p->offset, bytes, sizeof(bytes)))
		return 1;
	sonde_http2_parse(bytes, &h);
	if (!sonde_http2_plausible(&h) || h.length > p->end - p->offset - SONDE_HTTP2_HEADER_BYTES)
		return 1;
	p->offset += SONDE_HTTP2_HEADER_BYTES + h.length;
	p->frames++;
	return 0;
}

/* Looks for the boundary in a piece that came before the bytes that precede it: a frame header from which
 * every further one follows, to the end of the piece. What it finds is a guess until the hole is filled. */
struct sonde_http2_search {
	__u32 offset; /* where a header is looked for */
	__u32 end;    /* bytes of the piece */
	__u32 base;   /* offset of the first byte in `bytes` */
	__u32 filled; /* bytes in `bytes` */
	__u32 chain;  /* offset of the header that must follow; 0: none yet */
	__u32 found;
};

/* A frame of the connection, or of a stream that a client opened. */
static __always_inline int sonde_http2_likely(const struct sonde_http2_header *h)
{
	if (!sonde_http2_plausible(h))
		return 0;
	return h->stream & 1 || (h->stream == 0 && h->type != SONDE_HTTP2_SETTINGS);
}

/* 0: look again; 1: the answer is in `found`, the boundary at `offset`. bytes: SONDE_HTTP2_CHUNK of them. */
static __always_inline int sonde_http2_search_step(struct sonde_http2_search *s, __u8 *bytes, void *source,
						   sonde_http2_load load)
{
	__u8 header[SONDE_HTTP2_HEADER_BYTES];
	struct sonde_http2_header h;
	__u64 at, beyond_first;

	if (s->chain) {
		if (s->chain + SONDE_HTTP2_HEADER_BYTES > s->end) {
			s->found = 1;
			return 1;
		}
		if (load(source, s->chain, header, sizeof(header)))
			return 1;
		sonde_http2_parse(header, &h);
		if (sonde_http2_likely(&h)) {
			s->chain += SONDE_HTTP2_HEADER_BYTES + h.length;
		} else {
			s->chain = 0;
			s->offset++;
		}
		return 0;
	}
	if (s->offset + SONDE_HTTP2_HEADER_BYTES > s->end)
		return 1;
	if (s->offset + SONDE_HTTP2_HEADER_BYTES > s->base + s->filled) {
		beyond_first = s->end - s->offset - 1;
		if (beyond_first > SONDE_HTTP2_CHUNK - 1)
			beyond_first = SONDE_HTTP2_CHUNK - 1;
		asm volatile("" : "+r"(beyond_first));
		if (beyond_first > SONDE_HTTP2_CHUNK - 1 ||
		    load(source, s->offset, bytes, sonde_bounded(beyond_first + 1, SONDE_HTTP2_CHUNK)))
			return 1;
		s->base = s->offset;
		s->filled = (__u32)(beyond_first + 1);
	}
	at = s->offset - s->base;
	asm volatile("" : "+r"(at));
	if (at > SONDE_HTTP2_CHUNK - SONDE_HTTP2_HEADER_BYTES)
		return 1;
	sonde_http2_parse(bytes + at, &h);
	if (sonde_http2_likely(&h))
		s->chain = s->offset + SONDE_HTTP2_HEADER_BYTES + h.length;
	else
		s->offset++;
	return 0;
}

#define SONDE_HTTP2_HOLE_MAX (8U << 20) /* bytes behind a hole that is waited for */

/* A hole in the stream. What fills it is walked from where it began; what comes behind it, on a guess:
 *
 *	| frame … | hole            | opaque pieces  | … | hdr | …
 *	          at                end                    boundary found by a search
 *	                            |<----- guess ------->|
 *
 * A piece without a frame header tells nothing until the hole is filled: then all of it must be payload. */
struct sonde_http2_hole {
	struct sonde_http2_direction at; /* sync: SONDE_HTTP2_SYNCED while the hole is open */
	__u32 end;			 /* position of the first byte behind it */
	__u32 opaque;			 /* bytes behind it in which no boundary was found */
	__u32 guess;			 /* bytes behind it up to the boundary that was found */
};

static __always_inline int sonde_http2_hole_open(const struct sonde_http2_hole *hole)
{
	return hole->at.sync == SONDE_HTTP2_SYNCED;
}

/* More has come behind the hole than a receiver takes that waits for it (net.ipv4.tcp_rmem: 6 MiB), so
 * nothing will fill it: 1, and the boundary has to be found anew. */
static __always_inline int sonde_http2_hole_is_stale(const struct sonde_http2_hole *hole,
						     const struct sonde_http2_direction *at)
{
	return sonde_http2_hole_open(hole) && at->next_seq - hole->end > SONDE_HTTP2_HOLE_MAX;
}

/* A piece at `seq` came too early: the hole begins where the walk stands. */
static __always_inline void sonde_http2_hole_begin(struct sonde_http2_hole *hole,
						   struct sonde_http2_direction *at, __u32 seq)
{
	hole->at = *at;
	hole->at.sync = SONDE_HTTP2_SYNCED;
	hole->end = seq;
	hole->opaque = 0;
	hole->guess = 0;
	at->next_seq = seq;
	at->keep = 0;
	at->carried = 0;
	at->started = 1;
	at->sync = SONDE_HTTP2_UNKNOWN;
}

/* The piece behind what is known to be there, of `length` bytes, was searched. 1: walk it. */
static __always_inline int sonde_http2_hole_searched(struct sonde_http2_hole *hole,
						     struct sonde_http2_direction *at,
						     const struct sonde_http2_search *search, __u32 length)
{
	if (!search->found) {
		hole->opaque += length;
		at->next_seq += length;
		return 0;
	}
	hole->guess = hole->opaque + search->offset;
	at->left = search->offset;
	at->sync = SONDE_HTTP2_SYNCED;
	return 1;
}

/* After a piece of the hole was walked: when that was the last, the guess is held to it. 1: the opaque pieces
 * turn out to be payload, which lies between hole->at and `at`: user space is to be told. */
static __always_inline int sonde_http2_hole_check(struct sonde_http2_hole *hole,
						  struct sonde_http2_direction *at)
{
	const struct sonde_http2_direction *end = &hole->at;
	int told = 0;

	if (end->sync == SONDE_HTTP2_SYNCED && end->next_seq != hole->end)
		return 0;
	if (end->sync != SONDE_HTTP2_SYNCED || end->keep || end->carried) {
		at->sync = SONDE_HTTP2_LOST;
	} else if (at->sync == SONDE_HTTP2_UNKNOWN) {
		told = end->left >= hole->opaque;
		at->left = end->left - hole->opaque;
		at->sync = told ? SONDE_HTTP2_SYNCED : SONDE_HTTP2_LOST;
	} else if (end->left != hole->guess) {
		at->sync = SONDE_HTTP2_LOST;
	}
	hole->at.sync = SONDE_HTTP2_LOST;
	return told;
}

/* What user space must be told of this piece: bytes, or the end of a frame. A piece inside skipped payload
 * tells nothing. */
static __always_inline int sonde_http2_has_news(const struct sonde_http2_walk *w)
{
	return w->used > 0 || w->ended > 0;
}

#endif
