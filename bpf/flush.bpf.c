// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Sends the progress that waits on connections which have fallen silent. User space runs it, about ten times
 * a second, by reading the iterator; it walks the connections and prints nothing. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/progress.bpf.h"
#include "bpf/websocket_record.bpf.h"

/* What waits since before this CLOCK_MONOTONIC time is sent. Set by user space before each run: a connection
 * that is busy sends its own with its next head. */
volatile __u64 flush_before_ns;

static __always_inline void flush(struct conn *conn, __u32 direction)
{
	if (conn->state == CONN_WEBSOCKET) {
		const struct websocket_direction *at = &conn->websocket[direction];

		if (at->news && at->told_ns + WEBSOCKET_TELL_NS < flush_before_ns)
			websocket__emit_inline(conn, direction, 0);
		return;
	}
	if (conn->waiting[direction].passed.time_ns < flush_before_ns)
		progress__flush(conn, direction);
}

/* from 5.9 (kernel commit 5ce6e77c7edf) */
SEC("iter/bpf_sk_storage_map")
int flush_progress(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct conn *conn = ctx->value;

	if (!conn)
		return 0;
	flush(conn, SONDE_IN);
	flush(conn, SONDE_OUT);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
