/* Does a run of TCP payload begin like TLS? Plain C, shared with the host tests. */
#ifndef SONDE_TLS_SNIFF_H
#define SONDE_TLS_SNIFF_H

#include "event.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* Bytes that the sniff looks at: a record header (RFC 8446 §5.1) and the handshake type behind it. */
#define SONDE_TLS_SNIFF_BYTES 6
#define SONDE_TLS_HANDSHAKE 22
#define SONDE_TLS_APPLICATION_DATA 23
#define SONDE_TLS_CLIENT_HELLO 1
/* 2^14 and what encryption may add (RFC 5246 §6.2.3; TLS 1.3 allows 256) */
#define SONDE_TLS_RECORD_MAX (16384 + 2048)

enum sonde_tls_sniff {
	SONDE_TLS_NO = 0,
	SONDE_TLS_HELLO = 1,  /* a ClientHello: the connection begins here */
	SONDE_TLS_MIDDLE = 2, /* application data: the connection is older than the look */
};

/* bytes: SONDE_TLS_SNIFF_BYTES readable bytes, the first n of them payload. */
static __always_inline enum sonde_tls_sniff sonde_sniff_tls(const __u8 *bytes, __u32 n)
{
	__u32 length;

	/* legacy_record_version: 3.1 to 3.3, in old stacks 3.0; 1.3 keeps 3.3 */
	if (n < SONDE_TLS_SNIFF_BYTES || bytes[1] != 3 || bytes[2] > 4)
		return SONDE_TLS_NO;
	length = (__u32)bytes[3] << 8 | bytes[4];
	if (length < 4 || length > SONDE_TLS_RECORD_MAX)
		return SONDE_TLS_NO;
	if (bytes[0] == SONDE_TLS_HANDSHAKE && bytes[5] == SONDE_TLS_CLIENT_HELLO)
		return SONDE_TLS_HELLO;
	/* three bytes of a binary protocol may look like this; at least an authentication tag is inside */
	if (bytes[0] == SONDE_TLS_APPLICATION_DATA && bytes[2] == 3 && length > 16)
		return SONDE_TLS_MIDDLE;
	return SONDE_TLS_NO;
}

#endif
