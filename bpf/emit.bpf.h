/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The one emit path: reserve, fill the header, submit. Every record that was to be sent is counted as seen,
 * and every one that was not sent as lost with its reason. */
#ifndef SONDE_EMIT_BPF_H
#define SONDE_EMIT_BPF_H

#include "bpf/maps.bpf.h"

/* How often a submit looks at the fill of the ring: the query costs about as much as a record. */
#define EMIT_WAKE_CHECK_MASK 31
/* header flag between reserve and submit; never leaves the kernel */
#define EMIT_FLAG_CHECK 0x8000

static __always_inline struct sonde_loss_counts *emit__counts(__u32 type)
{
	return bpf_map_lookup_elem(&loss_counts, &type);
}

/* Atomic although per CPU: a packet that comes in by softirq interrupts a program that runs for a system
 * call. */
static __always_inline void emit__add_one(__u64 *count)
{
	__sync_fetch_and_add(count, 1);
}

static __always_inline void emit__count_lost(__u32 type, __u32 reason)
{
	struct sonde_loss_counts *counts = emit__counts(type);

	if (counts && reason < SONDE_LOSS_REASONS)
		emit__add_one(&counts->lost[reason]);
}

/* A record that never got as far as a reservation. */
static __always_inline void emit__lost_before_reserve(__u32 type, __u32 reason)
{
	struct sonde_loss_counts *counts = emit__counts(type);

	if (counts && reason < SONDE_LOSS_REASONS) {
		emit__add_one(&counts->seen);
		emit__add_one(&counts->lost[reason]);
	}
}

/* reserved: a constant (the verifier's demand); size: the meaningful part of it. */
static __always_inline void *emit__reserve(__u32 type, const __u64 reserved, __u32 size, __u64 cookie,
					   __u32 flags)
{
	struct sonde_loss_counts *counts = emit__counts(type);
	struct sonde_header *h;

	if (!counts)
		return 0;
	emit__add_one(&counts->seen);
	h = bpf_ringbuf_reserve(&ring, reserved, 0);
	if (!h) {
		emit__add_one(&counts->lost[SONDE_LOSS_RING_FULL]);
		return 0;
	}
	h->type = type;
	h->size = size;
	h->cpu = bpf_get_smp_processor_id();
	/* the low bits of `seen` pick the submits that look at the fill */
	h->flags = flags | ((counts->seen & EMIT_WAKE_CHECK_MASK) == 0 ? EMIT_FLAG_CHECK : 0);
	h->time_ns = bpf_ktime_get_ns();
	h->cookie = cookie;
	return h;
}

static __always_inline void emit__submit(void *record)
{
	struct sonde_header *h = record;
	__u64 flags = BPF_RB_NO_WAKEUP;

	if (h->flags & EMIT_FLAG_CHECK) {
		h->flags &= ~EMIT_FLAG_CHECK;
		if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > sonde_cfg.wake_bytes)
			flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(record, flags);
}

/* A record that was put together elsewhere, header left open: for sizes that no class fits. */
static __always_inline void emit__output(__u32 type, void *record, __u64 size, __u64 cookie, __u32 flags)
{
	struct sonde_loss_counts *counts = emit__counts(type);
	__u64 wake = BPF_RB_NO_WAKEUP;
	struct sonde_header *h = record;

	if (!counts)
		return;
	emit__add_one(&counts->seen);
	h->type = type;
	h->size = size;
	h->cpu = bpf_get_smp_processor_id();
	h->flags = flags;
	h->cookie = cookie;
	if ((counts->seen & EMIT_WAKE_CHECK_MASK) == 0 &&
	    bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > sonde_cfg.wake_bytes)
		wake = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&ring, record, size, wake))
		emit__add_one(&counts->lost[SONDE_LOSS_RING_FULL]);
}

static __always_inline void emit__discard(void *record, __u32 reason)
{
	struct sonde_header *h = record;

	emit__count_lost(h->type, reason);
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
}

#endif
