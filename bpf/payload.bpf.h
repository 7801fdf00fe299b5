/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Payload bytes wherever they lie, and what they begin like. The program that includes this defines
 * payload_source and payload__load before: see http_run.bpf.h. */
#ifndef SONDE_PAYLOAD_BPF_H
#define SONDE_PAYLOAD_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/shared/bounded.h"

/* Consecutive payload bytes of one direction. */
struct segment {
	__u64 payload_offset; /* as payload__load counts: from the IP header, or an address */
	__u64 time_ns;	      /* CLOCK_MONOTONIC of their arrival; 0: now */
	__u32 length;	      /* payload bytes */
	__u32 seq;
	__u32 ack;
	__u8 tcp_flags;
	__u8 direction;
	__u16 flags; /* SONDE_FLAG_* of every record made of them */
};

#ifndef SONDE_PLAIN
/* Functions that the verifier looks at once, and not with every state of their callers: with pointers to
 * memory from kernel commit e5069b9c23b3 (5.12) on. */
#define HTTP_RUN_GLOBAL __noinline
#define HTTP_RUN_LOOPS 1
#else
#define HTTP_RUN_GLOBAL static __noinline
#define HTTP_RUN_LOOPS 0
#endif

/* The segment's payload from its n-th byte on; n may be negative, to go back. */
static __always_inline void segment__skip(struct segment *seg, __s32 n)
{
	seg->seq += n;
	seg->payload_offset += n;
	seg->length -= n;
}

struct sniffed {
	__u8 bytes[24];
};

static __always_inline int http_run__judge(const struct sniffed *from, __u32 n, __u32 is_request)
{
	return is_request ? sonde_sniff_request(from->bytes, n) : sonde_sniff_response(from->bytes, n);
}

/* n: bytes of payload among them. */
HTTP_RUN_GLOBAL int http_run__verdict(const struct sniffed *from, __u32 n, __u32 is_request)
{
	return from ? http_run__judge(from, n, is_request) : SONDE_SNIFF_NO;
}

static __always_inline __u32 http_run__sniff(payload_source *from, const struct segment *seg,
					     struct sniffed *sniffed)
{
	__u64 n = seg->length, beyond_first;

	if (n > SONDE_SNIFF_BYTES)
		n = SONDE_SNIFF_BYTES;
	beyond_first = n - 1; /* as in DEFINE_EMIT_HEAD */
	asm volatile("" : "+r"(beyond_first));
	if (beyond_first > SONDE_SNIFF_BYTES - 1)
		return 0;
	if (payload__load(from, seg->payload_offset, sniffed->bytes, beyond_first + 1))
		return 0;
	return n;
}

/* What the segment itself begins like: SONDE_SNIFF_*; no bytes are NO. */
HTTP_RUN_GLOBAL int http_run__segment_verdict(payload_source *from, const struct segment *seg,
					      __u32 is_request)
{
	struct sniffed sniffed = {};
	__u32 n;

	if (!seg)
		return SONDE_SNIFF_NO;
	n = http_run__sniff(from, seg, &sniffed);
	return n ? http_run__judge(&sniffed, n, is_request) : SONDE_SNIFF_NO;
}

/* The segment's last SONDE_TAIL_BYTES, in memory's order, right-aligned, zeros before. */
HTTP_RUN_GLOBAL __u64 http_run__tail(payload_source *from, const struct segment *seg)
{
	__u8 bytes[SONDE_TAIL_BYTES] = {};
	__u64 end, tail;

	if (!seg)
		return 0;
	end = seg->payload_offset + seg->length;
	if (seg->length >= SONDE_TAIL_BYTES) {
		payload__load(from, end - SONDE_TAIL_BYTES, bytes, SONDE_TAIL_BYTES);
	} else {
		/* a byte at a time: constant stack offsets for the verifier */
#pragma unroll
		for (int i = 1; i < SONDE_TAIL_BYTES; i++)
			if (seg->length >= i)
				payload__load(from, end - i, bytes + SONDE_TAIL_BYTES - i, 1);
	}
	__builtin_memcpy(&tail, bytes, sizeof(tail));
	return tail;
}

/* Before 5.17 (kernel commit e6f2dd0f8067) there is no bpf_loop, and such loops in full are more than a
 * verifier looks at: no step is taken then, no head's end is found and no body followed. User space knows
 * that. */
static __always_inline long http_run__loop(__u32 steps, void *step, void *context)
{
#if HTTP_RUN_LOOPS
	return bpf_loop(steps, step, context, 0);
#else
	return 0;
#endif
}

#endif
