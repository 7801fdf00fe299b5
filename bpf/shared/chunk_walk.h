/* Follows a chunked body (RFC 9112 §7.1) over segments without looking at its data. Plain C: the kernel walks
 * what it does not copy, user space walks what it was sent, the tests walk every cut.
 *
 *   BODY ──hex──▶ SIZE ──LF──▶ DATA ──skip──▶ DATA_END ──LF──▶ LINE ──hex──▶ SIZE …
 *                   └──LF, size 0──▶ TRAILER ──empty line──▶ ENDED
 *
 * Anything that a chunked body cannot contain leads to OFF. The kernel does not parse heads, so it walks
 * whatever starts like a chunk; `start` tells user space, which knows where the body starts and whether it is
 * chunked, if that was right.
 */
#ifndef SONDE_CHUNK_WALK_H
#define SONDE_CHUNK_WALK_H

#include "http_sniff.h"

enum sonde_walk_state {
	SONDE_WALK_OFF = 0, /* nothing that could be followed */
	SONDE_WALK_BODY,    /* the head has ended; what comes may be the first chunk */
	SONDE_WALK_LINE,    /* first digit of a chunk size is due */
	SONDE_WALK_SIZE,
	SONDE_WALK_EXTENSION,
	SONDE_WALK_SIZE_CR,
	SONDE_WALK_DATA,     /* `skip` bytes of chunk data are due */
	SONDE_WALK_DATA_END, /* its line end is due */
	SONDE_WALK_DATA_CR,
	SONDE_WALK_TRAILER, /* start of a line of the trailer section */
	SONDE_WALK_TRAILER_LINE,
	SONDE_WALK_TRAILER_CR,
	SONDE_WALK_ENDED, /* `next` is the first byte behind the body */
};

struct sonde_walk {
	__u32 state; /* enum sonde_walk_state */
	__u32 start; /* sequence number of the body's first byte */
	__u32 next;  /* of the next byte to walk */
	__u32 pad;
	__u64 skip; /* SIZE: the number so far; DATA: bytes still due */
};

/* Larger chunks are not sent by anybody; the sum of two such numbers stays far from overflow. */
#define SONDE_CHUNK_MAX ((__u64)1 << 48)

static __always_inline void sonde_walk_begin(struct sonde_walk *walk, __u32 start)
{
	walk->state = SONDE_WALK_BODY;
	walk->start = walk->next = start;
	walk->skip = 0;
}

static __always_inline int sonde_walk_active(const struct sonde_walk *walk)
{
	return walk->state != SONDE_WALK_OFF && walk->state != SONDE_WALK_ENDED;
}

/* Inside what looks like a chunked body, or just behind it. */
static __always_inline int sonde_walk_in_body(const struct sonde_walk *walk)
{
	return walk->state > SONDE_WALK_BODY;
}

/* What a byte is to the walk: class in the high half, value of a digit in the low one. Tables, because the
 * verifier follows every branch of every step. */
enum sonde_walk_class { WALK_OTHER = 0, WALK_DIGIT, WALK_CR, WALK_LF, WALK_EXTENDS };

/* clang-format off */
static const __u8 sonde_walk_bytes_class[256] = {
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x30, 0x00, 0x00, 0x20, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* The state that follows, by state and class of the byte. */
static const __u8 sonde_walk_next[16 * 8] = {
	/* OTHER, DIGIT, CR, LF, EXTENDS */
	0, 0, 0, 0, 0, 0, 0, 0, /* OFF */
	0, SONDE_WALK_SIZE, 0, 0, 0, 0, 0, 0, /* BODY */
	0, SONDE_WALK_SIZE, 0, 0, 0, 0, 0, 0, /* LINE */
	0, SONDE_WALK_SIZE, SONDE_WALK_SIZE_CR, SONDE_WALK_DATA, SONDE_WALK_EXTENSION, 0, 0, 0, /* SIZE */
	SONDE_WALK_EXTENSION, SONDE_WALK_EXTENSION, SONDE_WALK_EXTENSION, SONDE_WALK_DATA, SONDE_WALK_EXTENSION, 0, 0, 0,
	0, 0, 0, SONDE_WALK_DATA, 0, 0, 0, 0, /* SIZE_CR */
	0, 0, 0, 0, 0, 0, 0, 0, /* DATA: see sonde_walk_data */
	0, 0, SONDE_WALK_DATA_CR, SONDE_WALK_LINE, 0, 0, 0, 0, /* DATA_END */
	0, 0, 0, SONDE_WALK_LINE, 0, 0, 0, 0, /* DATA_CR */
	SONDE_WALK_TRAILER_LINE, SONDE_WALK_TRAILER_LINE, SONDE_WALK_TRAILER_CR, SONDE_WALK_ENDED,
		SONDE_WALK_TRAILER_LINE, 0, 0, 0, /* TRAILER */
	SONDE_WALK_TRAILER_LINE, SONDE_WALK_TRAILER_LINE, SONDE_WALK_TRAILER_LINE, SONDE_WALK_TRAILER,
		SONDE_WALK_TRAILER_LINE, 0, 0, 0, /* TRAILER_LINE */
	0, 0, 0, SONDE_WALK_ENDED, 0, 0, 0, 0, /* TRAILER_CR */
};
/* clang-format on */

/* An index that the verifier can see is in bounds: the mask comes after whatever the compiler made of it. */
#ifdef __bpf__
#define SONDE_BOUNDED(index, mask)                                                                           \
	({                                                                                                   \
		__u64 bounded = (index);                                                                     \
		asm volatile("" : "+r"(bounded));                                                            \
		bounded &(mask);                                                                             \
	})
#else
#define SONDE_BOUNDED(index, mask) ((index) & (mask))
#endif

/* Takes one byte that is not chunk data. */
static __always_inline void sonde_walk_byte(struct sonde_walk *walk, __u8 c)
{
	__u32 kind = sonde_walk_bytes_class[SONDE_BOUNDED(c, 255)];
	__u32 state = sonde_walk_next[SONDE_BOUNDED((walk->state & 15) * 8 + (kind >> 4 & 7), 127)];

	if (state == SONDE_WALK_SIZE) {
		walk->skip = walk->skip << 4 | (kind & 15);
		if (walk->skip > SONDE_CHUNK_MAX)
			state = SONDE_WALK_OFF;
	} else if (state == SONDE_WALK_DATA && walk->skip == 0) {
		state = SONDE_WALK_TRAILER; /* the last chunk has no data */
	}
	walk->state = state;
	walk->next++;
}

/* Chunk data of which `available` bytes are at hand: how many of them to step over. */
static __always_inline __u32 sonde_walk_data(struct sonde_walk *walk, __u32 available)
{
	__u32 n = walk->skip < available ? (__u32)walk->skip : available;

	walk->skip -= n;
	walk->next += n;
	if (walk->skip == 0)
		walk->state = SONDE_WALK_DATA_END;
	return n;
}

/* Steps (a byte of framing, or a run of data) that the kernel takes per segment, about 20 ns each: a 64 KiB
 * train of chunks of 1 KiB needs some 700. With more the walk is given up, and the end is told as without it.
 */
#define SONDE_WALK_STEPS_MAX 4096

/* Walks `n` bytes that lie in memory, the first of them at walk->next. */
static inline void sonde_walk_bytes(struct sonde_walk *walk, const __u8 *bytes, __u32 n)
{
	__u32 at = 0;

	while (at < n && sonde_walk_active(walk)) {
		if (walk->state == SONDE_WALK_DATA) {
			at += sonde_walk_data(walk, n - at);
			continue;
		}
		sonde_walk_byte(walk, bytes[at++]);
	}
}

#endif
