/* HTTP/2 frames (RFC 9113 §4, §6): their headers, and which of their bytes user space is to see. Plain C,
 * shared by the kernel programs, user space and the host tests.
 */
#ifndef SONDE_HTTP2_FRAME_H
#define SONDE_HTTP2_FRAME_H

#include "event.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define SONDE_HTTP2_HEADER_BYTES 9   /* RFC 9113 §4.1 */
#define SONDE_HTTP2_PREFACE_BYTES 24 /* RFC 9113 §3.4 */
/* Frames longer than SETTINGS_MAX_FRAME_SIZE's default are rare; a resynchronisation takes none of them */
#define SONDE_HTTP2_PLAUSIBLE_MAX 16384

enum sonde_http2_type {
	SONDE_HTTP2_DATA = 0,
	SONDE_HTTP2_HEADERS = 1,
	SONDE_HTTP2_PRIORITY = 2,
	SONDE_HTTP2_RST_STREAM = 3,
	SONDE_HTTP2_SETTINGS = 4,
	SONDE_HTTP2_PUSH_PROMISE = 5,
	SONDE_HTTP2_PING = 6,
	SONDE_HTTP2_GOAWAY = 7,
	SONDE_HTTP2_WINDOW_UPDATE = 8,
	SONDE_HTTP2_CONTINUATION = 9,
};

/* frame flags (RFC 9113 §6) */
#define SONDE_HTTP2_END_STREAM 0x01 /* DATA, HEADERS */
#define SONDE_HTTP2_ACK 0x01	    /* SETTINGS, PING */
#define SONDE_HTTP2_END_HEADERS 0x04
#define SONDE_HTTP2_PADDED 0x08
#define SONDE_HTTP2_HAS_PRIORITY 0x20

struct sonde_http2_header {
	__u32 length; /* payload bytes, 24 bits */
	__u32 stream; /* 31 bits */
	__u8 type;    /* enum sonde_http2_type, or a type of an extension */
	__u8 flags;
	__u8 reserved_bit; /* of the stream identifier: 0, but to be ignored */
	__u8 pad;
};

static __always_inline void sonde_http2_parse(const __u8 *h, struct sonde_http2_header *out)
{
	out->length = (__u32)h[0] << 16 | (__u32)h[1] << 8 | h[2];
	out->type = h[3];
	out->flags = h[4];
	out->reserved_bit = h[5] >> 7;
	out->stream = (__u32)(h[5] & 0x7f) << 24 | (__u32)h[6] << 16 | (__u32)h[7] << 8 | h[8];
}

/* Number of payload bytes, from the payload's start, that are copied. Header blocks whole, since the state of
 * HPACK hangs on each of their bytes; of DATA the pad length only (RFC 9113 §6.1), which tells the padding
 * from the body. SETTINGS are not needed: a change of the header table's size that takes effect stands in
 * the header block itself (RFC 7541 §6.3). */
static __always_inline __u32 sonde_http2_kept(__u8 type, __u8 flags, __u32 length)
{
	__u32 kept = 0;

	switch (type) {
	case SONDE_HTTP2_HEADERS:
	case SONDE_HTTP2_PUSH_PROMISE:
	case SONDE_HTTP2_CONTINUATION:
		kept = length;
		break;
	case SONDE_HTTP2_DATA:
		kept = flags & SONDE_HTTP2_PADDED ? 1 : 0;
		break;
	case SONDE_HTTP2_RST_STREAM:
		kept = 4; /* error code */
		break;
	case SONDE_HTTP2_GOAWAY:
		kept = 8; /* last stream, error code */
		break;
	default:
		break;
	}
	return kept < length ? kept : length;
}

/* Could these nine bytes begin a frame that a peer may send? Only used to find the boundary again. */
static __always_inline int sonde_http2_plausible(const struct sonde_http2_header *h)
{
	if (h->reserved_bit || h->length > SONDE_HTTP2_PLAUSIBLE_MAX)
		return 0;
	switch (h->type) {
	case SONDE_HTTP2_DATA:
		return h->stream != 0 && !(h->flags & ~(SONDE_HTTP2_END_STREAM | SONDE_HTTP2_PADDED));
	case SONDE_HTTP2_HEADERS:
		return h->stream != 0 && h->length != 0 &&
		       !(h->flags & ~(SONDE_HTTP2_END_STREAM | SONDE_HTTP2_END_HEADERS | SONDE_HTTP2_PADDED |
				      SONDE_HTTP2_HAS_PRIORITY));
	case SONDE_HTTP2_PRIORITY:
		return h->stream != 0 && h->length == 5 && h->flags == 0;
	case SONDE_HTTP2_RST_STREAM:
		return h->stream != 0 && h->length == 4 && h->flags == 0;
	case SONDE_HTTP2_SETTINGS:
		return h->stream == 0 && h->length % 6 == 0 && !(h->flags & ~SONDE_HTTP2_ACK);
	case SONDE_HTTP2_PING:
		return h->stream == 0 && h->length == 8 && !(h->flags & ~SONDE_HTTP2_ACK);
	case SONDE_HTTP2_GOAWAY:
		return h->stream == 0 && h->length >= 8 && h->flags == 0;
	case SONDE_HTTP2_WINDOW_UPDATE:
		return h->length == 4 && h->flags == 0;
	default: /* CONTINUATION and PUSH_PROMISE begin no piece that a walk can be taken up at */
		return 0;
	}
}

/* A server may speak first, with its SETTINGS (RFC 9113 §3.4). Few parameters exist. */
static __always_inline int sonde_http2_begins_with_settings(const __u8 *bytes, __u32 n)
{
	struct sonde_http2_header h;

	if (n < SONDE_HTTP2_HEADER_BYTES)
		return 0;
	sonde_http2_parse(bytes, &h);
	return h.type == SONDE_HTTP2_SETTINGS && h.flags == 0 && h.length <= 96 && sonde_http2_plausible(&h);
}

enum sonde_http2_block { SONDE_HTTP2_NO_BLOCK = 0, SONDE_HTTP2_REQUEST = 1, SONDE_HTTP2_RESPONSE = 2 };

/* What a first field says whose name stands in the static table (RFC 7541 appendix A): a request begins with
 * one of the names 1 … 7, a response with :status, 8 … 14 (RFC 9113 §8.3). */
static __always_inline enum sonde_http2_block sonde_http2_block_of(__u8 first)
{
	__u8 index;

	if (first & 0x80)
		index = first & 0x7f; /* indexed field */
	else if (first & 0x40)
		index = first & 0x3f; /* literal, added to the table */
	else if (first & 0x20)
		return SONDE_HTTP2_NO_BLOCK; /* a change of the table's size */
	else
		index = first & 0x0f; /* literal, not added */
	if (index == 0 || index > 14)
		return SONDE_HTTP2_NO_BLOCK;
	return index < 8 ? SONDE_HTTP2_REQUEST : SONDE_HTTP2_RESPONSE;
}

/* Does a segment of `length` bytes, in the middle of a connection that nobody has followed, begin with the
 * HEADERS of a stream? bytes: 16 readable ones, the first n of them payload. */
static __always_inline enum sonde_http2_block sonde_http2_begins_with_block(const __u8 *bytes, __u32 n,
									    __u32 length)
{
	struct sonde_http2_header h;
	__u8 first;

	if (n <= SONDE_HTTP2_HEADER_BYTES)
		return SONDE_HTTP2_NO_BLOCK;
	sonde_http2_parse(bytes, &h);
	if (h.type != SONDE_HTTP2_HEADERS || !sonde_http2_plausible(&h) || !(h.stream & 1) ||
	    !(h.flags & SONDE_HTTP2_END_HEADERS) || h.length > length - SONDE_HTTP2_HEADER_BYTES)
		return SONDE_HTTP2_NO_BLOCK;
	/* behind the pad length and the priority, where there are any */
	if (h.flags & SONDE_HTTP2_PADDED)
		first = h.flags & SONDE_HTTP2_HAS_PRIORITY ? bytes[15] : bytes[10];
	else
		first = h.flags & SONDE_HTTP2_HAS_PRIORITY ? bytes[14] : bytes[9];
	return sonde_http2_block_of(first);
}

#endif
