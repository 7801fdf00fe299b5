/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How a connection becomes HTTP/2. Its frames are walked by http2.bpf.h. */
#ifndef SONDE_HTTP2_STATE_BPF_H
#define SONDE_HTTP2_STATE_BPF_H

#include "bpf/maps.bpf.h"

/* From here on the connection is HTTP/2: the client's preface begins at request_seq, or was missed and frames
 * begin there; the server's first frame begins at response_seq. */
static __always_inline void http2__begin(struct conn *conn, __u32 request_seq, __u32 response_seq,
					 int preface_missed)
{
	__u32 in_is_request = conn->role == SONDE_ROLE_SERVER;
	struct http2_start *request = &conn->http2_starts[in_is_request ? SONDE_IN : SONDE_OUT];
	struct http2_start *response = &conn->http2_starts[in_is_request ? SONDE_OUT : SONDE_IN];

	request->seq = request_seq;
	request->left = preface_missed ? 0 : SONDE_HTTP2_PREFACE_BYTES;
	request->missed = preface_missed;
	request->is_known = 1;
	response->seq = response_seq;
	response->is_known = 1;
	/* last, and seen last: an exchange is a barrier */
	__sync_lock_test_and_set(&conn->state, CONN_HTTP2);
}

/* A connection that is HTTP/2 already: each direction is taken up at its first segment that consists of whole
 * frames. */
static __always_inline void http2__join(struct conn *conn)
{
	conn->http2_starts[SONDE_IN].missed = 1;
	conn->http2_starts[SONDE_OUT].missed = 1;
	__sync_lock_test_and_set(&conn->state, CONN_HTTP2); /* as above */
}

/* A direction's first piece: the walk begins. No branches, each of which would double what the verifier has
 * to look at. */
static __always_inline void http2__take_up(struct sonde_http2_direction *at, const struct http2_start *start)
{
	SONDE_STATIC_ASSERT(SONDE_HTTP2_LOST == 0 && SONDE_HTTP2_SYNCED == 1, "is_known is a state");
	at->next_seq = start->seq;
	at->left = start->left; /* skipped like a payload */
	at->sync = start->is_known;
	at->started = start->missed;
	at->begun = 1;
}

#endif
