/* Searches the head of an answer that may be a "101 Switching Protocols" for its end and for the protocol
 * that follows it (RFC 9110 §15.2.2): frames begin there. Plain C, shared by the kernel programs and the host
 * tests; the head may come in any number of pieces. */
#ifndef SONDE_UPGRADE_SEARCH_H
#define SONDE_UPGRADE_SEARCH_H

#include "event.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* "t-accept": the end of Sec-WebSocket-Accept (RFC 6455 §4.2.2) and of no other field of an answer */
#define SONDE_UPGRADE_WEBSOCKET 0x742d616363657074ULL
#define SONDE_UPGRADE_STATUS_BYTES 12 /* "HTTP/1.1 101" */
#define SONDE_UPGRADE_HEAD_MAX 16384  /* a longer head is no answer that a server gives to an upgrade */

struct sonde_upgrade_search {
	__u64 letters;	/* the last eight bytes, in lower case */
	__u32 window;	/* the last four bytes */
	__u32 next_seq; /* position of the next byte */
	__u32 length;	/* of the head so far */
	__u8 active;	/* the end is still to come */
	__u8 found;	/* the end has come */
	__u8 is_h2c;	/* RFC 7540 §3.2 */
	__u8 is_websocket;
};

/* May these first bytes of an answer become "HTTP/1.1 101"? */
static __always_inline int sonde_upgrade_may_begin(const __u8 *bytes, __u32 n)
{
	const __u8 status[SONDE_UPGRADE_STATUS_BYTES] = {'H', 'T', 'T', 'P', '/', '1',
							 '.', '1', ' ', '1', '0', '1'};
	__u32 i;

#ifdef __bpf__
#pragma unroll
#endif
	for (i = 0; i < SONDE_UPGRADE_STATUS_BYTES; i++)
		if (i < n && bytes[i] != status[i])
			return 0;
	return n > 0;
}

static __always_inline void sonde_upgrade_begin(struct sonde_upgrade_search *s, __u32 seq)
{
	__builtin_memset(s, 0, sizeof(*s));
	s->next_seq = seq;
	s->active = 1;
}

/* Takes the next byte. Where the search is over, `active` is 0 and `found` tells how. */
static __always_inline void sonde_upgrade_byte(struct sonde_upgrade_search *s, __u8 byte)
{
	s->window = s->window << 8 | byte;
	s->letters = s->letters << 8 | (byte | 0x20);
	s->next_seq++;
	s->length++;
	if (s->length == SONDE_UPGRADE_STATUS_BYTES) /* what came in pieces is known only now */
		s->active = s->window == 0x20313031; /* " 101" */
	/* "h2c", whatever its case; the hash that accepts a WebSocket may spell it, too */
	if (!s->is_websocket && (s->window & 0x00dfffdf) == 0x00483243)
		s->is_h2c = 1;
	if (s->letters == SONDE_UPGRADE_WEBSOCKET) {
		s->is_websocket = 1;
		s->is_h2c = 0;
	}
	if (s->window == 0x0d0a0d0a)
		s->found = 1;
	if (s->found || s->length >= SONDE_UPGRADE_HEAD_MAX)
		s->active = 0;
}

/* Places a piece of `length` bytes at `seq`: the search goes on from its byte *offset. 0: it does not. */
static __always_inline int sonde_upgrade_align(struct sonde_upgrade_search *s, __u32 seq, __u32 length,
					       __u32 *offset)
{
	*offset = s->next_seq - seq;
	if (!s->active)
		return 0;
	if ((__s32)*offset < 0) { /* bytes are missing */
		s->active = 0;
		return 0;
	}
	return *offset < length;
}

#endif
