/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* An HTTP/1 connection that changes over to HTTP/2 or WebSocket: the head of the server's answer is followed
 * to its end (bpf/shared/upgrade_search.h). The program that includes this has defined payload_source and
 * payload__load. */
#ifndef SONDE_UPGRADE_BPF_H
#define SONDE_UPGRADE_BPF_H

#include "bpf/http2_state.bpf.h"
#include "bpf/payload.bpf.h"
#include "bpf/websocket.bpf.h"

struct upgrade_loop {
	payload_source *from;
	struct sonde_upgrade_search *search;
	__u64 offset; /* of the next byte, as payload__load counts */
	__u32 left;   /* bytes from there to the piece's end */
	__u32 pad;
};

static long upgrade__step(__u64 i, void *ctx)
{
	struct upgrade_loop *u = ctx;
	__u8 byte;

	if (u->left == 0 || !u->search->active)
		return 1;
	if (payload__load(u->from, u->offset, &byte, 1)) {
		u->search->active = 0;
		return 1;
	}
	sonde_upgrade_byte(u->search, byte);
	u->offset++;
	u->left--;
	return 0;
}

/* A piece of an answer that changes over to HTTP/2 or WebSocket: where its head ends, frames follow. */
static __always_inline void upgrade__search(payload_source *from, struct conn *conn,
					    const struct segment *seg)
{
	struct sonde_upgrade_search *search = &conn->upgrade;
	struct upgrade_loop u = {.from = from, .search = search};
	__u32 offset, frames_seq, is_h2c, is_websocket;

	if (!sonde_upgrade_align(search, seg->seq, seg->length, &offset))
		return;
	u.offset = seg->payload_offset + offset;
	u.left = seg->length - offset;
	bpf_loop(SONDE_UPGRADE_HEAD_MAX, upgrade__step, &u, 0);
	if (!search->found)
		return;
	frames_seq = search->next_seq;
	is_h2c = search->is_h2c;
	is_websocket = search->is_websocket;
	/* what comes next lies in the same place, and expects zeros */
	__builtin_memset(search, 0, sizeof(*search));
	if (is_h2c)
		http2__begin(conn, seg->ack, frames_seq, 0);
	else if (is_websocket)
		websocket__begin(conn, seg->ack, frames_seq);
}

/* The piece of an answer is, or may be, or continues the head of a "101 Switching Protocols": the caller has
 * it walked. turns: the piece before it went the other way. */
static __noinline __attribute__((unused)) int upgrade__may_be(payload_source *from, struct conn *conn,
							      const struct segment *seg, int turns)
{
	struct sniffed sniffed = {};
	__u32 n;

	if (conn->state != CONN_HTTP1)
		return 0;
	if (conn->upgrades && conn->upgrade.active)
		return 1;
	if (!turns)
		return 0;
	n = http_run__sniff(from, seg, &sniffed);
	if (!sonde_upgrade_may_begin(sniffed.bytes, n))
		return 0;
	sonde_upgrade_begin(&conn->upgrade, seg->seq);
	conn->upgrades = 1;
	return 1;
}

#endif
