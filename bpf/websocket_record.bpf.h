/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The record of what a WebSocket has carried, for whoever walks it and for whoever sees its end. */
#ifndef SONDE_WEBSOCKET_RECORD_BPF_H
#define SONDE_WEBSOCKET_RECORD_BPF_H

#include "bpf/emit.bpf.h"

/* User space hears of a busy connection so often; flush.bpf.c tells the rest of one that fell silent. */
#define WEBSOCKET_TELL_NS 1000000000ULL

/* Inline with a direction that is a constant: an iterator's buffer has no variable offsets. */
static __always_inline int websocket__emit_inline(struct conn *conn, const __u32 direction, __u32 flags)
{
	struct websocket_direction *at = &conn->websocket[direction];
	struct sonde_websocket *record;

	record = emit__reserve(SONDE_REC_WEBSOCKET, sizeof(*record), sizeof(*record), conn->cookie, flags);
	if (!record)
		return 0;
	record->messages = at->walk.messages;
	record->bytes = at->walk.bytes;
	record->closed_ns = at->closed_ns;
	record->fin_ns = at->fin_ns;
	record->controls = at->walk.controls;
	record->code = at->walk.state == SONDE_WEBSOCKET_CLOSED ? at->walk.code : 0;
	record->direction = direction;
	record->state = at->walk.state;
	at->told_ns = record->h.time_ns;
	at->news = 0;
	emit__submit(record);
	return 0;
}

static __noinline int websocket__emit(struct conn *conn, __u32 direction, __u32 flags)
{
	return direction == SONDE_IN ? websocket__emit_inline(conn, SONDE_IN, flags)
				     : websocket__emit_inline(conn, SONDE_OUT, flags);
}

/* The connection ends: conn_close follows. */
static __always_inline void websocket__end(struct conn *conn)
{
	if (conn->state != CONN_WEBSOCKET)
		return;
	websocket__emit(conn, SONDE_IN, SONDE_FLAG_FINAL);
	websocket__emit(conn, SONDE_OUT, SONDE_FLAG_FINAL);
}

#endif
