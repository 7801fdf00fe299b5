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
	struct sonde_http2_direction *request = &conn->http2[in_is_request ? SONDE_IN : SONDE_OUT];
	struct sonde_http2_direction *response = &conn->http2[in_is_request ? SONDE_OUT : SONDE_IN];

	request->next_seq = request_seq;
	request->left = preface_missed ? 0 : SONDE_HTTP2_PREFACE_BYTES; /* skipped like a payload */
	request->started = preface_missed;
	request->sync = SONDE_HTTP2_SYNCED;
	response->next_seq = response_seq;
	response->sync = SONDE_HTTP2_SYNCED;
	conn->state = CONN_HTTP2;
}

/* A connection that is HTTP/2 already: each direction is taken up at its first segment that consists of whole
 * frames. */
static __always_inline void http2__join(struct conn *conn)
{
	conn->http2[SONDE_IN].started = 1;
	conn->http2[SONDE_OUT].started = 1;
	conn->state = CONN_HTTP2;
}

#endif
