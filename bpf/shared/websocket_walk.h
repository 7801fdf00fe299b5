/* Follows the frames of a WebSocket (RFC 6455 §5.2) in one direction: counts messages and their bytes, and
 * takes the code of a Close. Plain C, shared by the kernel programs and the host tests. Payload is skipped,
 * never looked at, but for the two bytes of that code; so compression (RFC 7692) makes no difference: bytes
 * are those that were sent.
 *
 *   HEADER ──2, 4 or 10 bytes──▶ KEY (client) ──▶ PAYLOAD ──▶ HEADER …
 *                                            └──▶ CODE ──▶ PAYLOAD ──▶ CLOSED
 *
 * Anything that no peer may send leads to LOST, and so does a hole that is not inside a payload: from there
 * on nothing is counted.
 */
#ifndef SONDE_WEBSOCKET_WALK_H
#define SONDE_WEBSOCKET_WALK_H

#include "event.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

enum sonde_websocket_opcode {
	SONDE_WEBSOCKET_CONTINUATION = 0,
	SONDE_WEBSOCKET_TEXT = 1,
	SONDE_WEBSOCKET_BINARY = 2,
	SONDE_WEBSOCKET_CLOSE = 8,
	SONDE_WEBSOCKET_PING = 9,
	SONDE_WEBSOCKET_PONG = 10,
};

#define SONDE_WEBSOCKET_NO_CODE 1005 /* a Close without a code (RFC 6455 §7.1.5) */

struct sonde_websocket_walk {
	__u64 messages; /* that have ended */
	__u64 bytes;	/* payload of Text, Binary and Continuation that has passed */
	__u64 left; /* payload bytes of the current frame still to come; in its header: the length so far */
	__u32 controls;	   /* Ping, Pong and Close */
	__u32 next_seq;	   /* position of the next byte */
	__u32 key;	   /* masking key (RFC 6455 §5.3) */
	__u16 code;	   /* of the Close; 0: none has come */
	__u8 state;	   /* enum sonde_websocket_state */
	__u8 position;	   /* bytes of the frame's header, or of the code, that have come */
	__u8 from_client;  /* its frames are masked, the server's are not */
	__u8 first;	   /* the frame's first byte */
	__u8 length_bytes; /* of an extended length: 0, 2 or 8 */
	__u8 in_message;   /* fragments of a message are still to come */
	__u8 pad[4];
};

/* Ready to follow the frames from `seq` on. */
static __always_inline void sonde_websocket_begin(struct sonde_websocket_walk *w, __u32 seq, int from_client)
{
	__builtin_memset(w, 0, sizeof(*w));
	w->state = SONDE_WEBSOCKET_HEADER;
	w->next_seq = seq;
	w->from_client = !!from_client;
}

static __always_inline int sonde_websocket_walks(const struct sonde_websocket_walk *w)
{
	return w->state != SONDE_WEBSOCKET_OFF && w->state != SONDE_WEBSOCKET_LOST &&
	       w->state != SONDE_WEBSOCKET_CLOSED;
}

/* The next bytes can be skipped, sonde_websocket_skip() of them. */
static __always_inline int sonde_websocket_in_payload(const struct sonde_websocket_walk *w)
{
	return w->state == SONDE_WEBSOCKET_PAYLOAD;
}

static __always_inline int sonde_websocket_is_control(const struct sonde_websocket_walk *w)
{
	return w->first & 0x08;
}

static __always_inline void sonde_websocket_end_frame(struct sonde_websocket_walk *w)
{
	int final = w->first & 0x80, opcode = w->first & 0x0f;

	w->position = 0;
	w->state = SONDE_WEBSOCKET_HEADER;
	if (opcode == SONDE_WEBSOCKET_CLOSE) {
		if (!w->code)
			w->code = SONDE_WEBSOCKET_NO_CODE;
		w->state = SONDE_WEBSOCKET_CLOSED; /* nothing may follow (RFC 6455 §5.5.1) */
	}
	if (sonde_websocket_is_control(w)) {
		w->controls++;
		return;
	}
	w->in_message = !final;
	if (final)
		w->messages++;
}

static __always_inline void sonde_websocket_end_header(struct sonde_websocket_walk *w)
{
	w->position = 0;
	if (w->left == 0)
		sonde_websocket_end_frame(w);
	else if ((w->first & 0x0f) == SONDE_WEBSOCKET_CLOSE)
		w->state = SONDE_WEBSOCKET_CODE;
	else
		w->state = SONDE_WEBSOCKET_PAYLOAD;
}

/* RSV1 is the compression's (RFC 7692 §6), of a message's first frame. The others belong to no extension that
 * anybody uses. */
static __always_inline int sonde_websocket_first_is_valid(const struct sonde_websocket_walk *w, __u8 byte)
{
	__u8 opcode = byte & 0x0f;

	if (byte & 0x30)
		return 0;
	if (opcode & 0x08) /* control frames are neither fragmented nor compressed (§5.5) */
		return opcode <= SONDE_WEBSOCKET_PONG && (byte & 0xc0) == 0x80;
	if (opcode == SONDE_WEBSOCKET_CONTINUATION)
		return w->in_message && !(byte & 0x40);
	return opcode <= SONDE_WEBSOCKET_BINARY && !w->in_message;
}

/* The second byte: mask bit and length (§5.2). */
static __always_inline int sonde_websocket_take_length(struct sonde_websocket_walk *w, __u8 byte)
{
	__u8 length = byte & 0x7f;

	if ((byte >> 7) != w->from_client || (sonde_websocket_is_control(w) && length > 125))
		return 0;
	/* a Close has a code or nothing */
	if ((w->first & 0x0f) == SONDE_WEBSOCKET_CLOSE && length == 1)
		return 0;
	w->length_bytes = length == 127 ? 8 : length == 126 ? 2 : 0;
	w->left = w->length_bytes ? 0 : length;
	return 1;
}

static __always_inline int sonde_websocket_header_byte(struct sonde_websocket_walk *w, __u8 byte)
{
	__u8 at = w->position++;

	if (at == 0) {
		w->first = byte;
		return sonde_websocket_first_is_valid(w, byte);
	}
	if (at == 1) {
		if (!sonde_websocket_take_length(w, byte))
			return 0;
	} else {
		w->left = w->left << 8 | byte;
	}
	if (w->position < 2 + w->length_bytes)
		return 1;
	if (w->left >> 63)
		return 0;
	if (w->from_client) {
		w->state = SONDE_WEBSOCKET_KEY;
		w->position = 0;
	} else {
		sonde_websocket_end_header(w);
	}
	return 1;
}

/* Takes one byte that is not skipped. */
static __always_inline void sonde_websocket_byte(struct sonde_websocket_walk *w, __u8 byte)
{
	w->next_seq++;
	switch (w->state) {
	case SONDE_WEBSOCKET_HEADER:
		if (!sonde_websocket_header_byte(w, byte))
			w->state = SONDE_WEBSOCKET_LOST;
		break;
	case SONDE_WEBSOCKET_KEY:
		w->key = w->key << 8 | byte;
		if (++w->position == 4)
			sonde_websocket_end_header(w);
		break;
	case SONDE_WEBSOCKET_CODE:
		if (w->from_client)
			byte ^= (__u8)(w->position == 0 ? w->key >> 24 : w->key >> 16);
		w->code = (__u16)(w->code << 8 | byte);
		w->left--;
		if (++w->position < 2)
			break;
		if (w->left == 0)
			sonde_websocket_end_frame(w);
		else
			w->state = SONDE_WEBSOCKET_PAYLOAD;
		break;
	default:
		break;
	}
}

/* Skips payload, `available` bytes at most; returns how many. */
static __always_inline __u32 sonde_websocket_skip(struct sonde_websocket_walk *w, __u32 available)
{
	__u32 n = available;

	if (n > w->left)
		n = (__u32)w->left;
	w->left -= n;
	w->next_seq += n;
	if (!sonde_websocket_is_control(w))
		w->bytes += n;
	if (w->left == 0)
		sonde_websocket_end_frame(w);
	return n;
}

/* Places a piece of `length` bytes at `seq`: the walk goes on from its byte *offset. 0: not with this piece.
 * A hole inside a payload does no harm: its bytes would have been skipped, too. */
static __always_inline int sonde_websocket_align(struct sonde_websocket_walk *w, __u32 seq, __u32 length,
						 __u32 *offset)
{
	__s32 gap = (__s32)(seq - w->next_seq);

	*offset = 0;
	if (!sonde_websocket_walks(w))
		return 0;
	if (gap <= 0) {
		*offset = (__u32)-gap;
		return *offset < length;
	}
	/* the frame's end must be behind the hole: another one may begin there */
	if (sonde_websocket_in_payload(w) && (__u32)gap <= w->left) {
		sonde_websocket_skip(w, (__u32)gap);
		return 1;
	}
	w->state = SONDE_WEBSOCKET_LOST;
	return 0;
}

#endif
