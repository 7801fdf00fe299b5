// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* HTTP over Unix stream sockets, which no packet hook sees: both sides, from the socket tracepoints (6.3,
 * kernel commit 6e6eda44b939) and the buffers of the running call. There are no sequence numbers: each
 * direction's bytes are counted instead, so that the records are those of a TCP connection.
 *
 *	sender                                    receiver
 *	send returns ── bytes, OUT                (arrival noted in the receiver's storage)
 *	                                          recv returns ── bytes, IN, with the time of their arrival;
 *read
 *
 * A receiver may be quicker than its sender's way out of send: then its bytes have arrived when it reads. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/user_bytes.bpf.h"
/* after payload__load */
#include "bpf/http_run.bpf.h"
#include "bpf/socket_read.bpf.h"

#define AF_UNIX 1
#define MSG_PEEK 2
#define EPIPE 32
#define SHUTDOWN_RECEIVE 1 /* RCV_SHUTDOWN, SHUTDOWN_MASK (include/net/sock.h) */
#define SHUTDOWN_BOTH 3
/* Most Unix sockets carry something else. After so many sends or receives that did not begin like a request
 * nobody looks at a socket again: a server's connection that was open before sonde shows one in two. */
#define UNIX_MISSES_MAX 16
/* After such a silence user space may have forgotten the connection: TrackerLimits::silent_unix_ns is twice
 * it. */
#define UNIX_SILENCE_NS (10ULL * 1000 * 1000 * 1000)

struct unix_conn {
	struct conn conn;
	__u32 counts[2]; /* bytes so far, by enum sonde_direction: virtual sequence numbers */
	__u32 misses;	 /* sends and receives that were not HTTP */
	__u32 pad;
	__u64 first_ns;	   /* arrival of the first byte that was not read yet; 0: none was noted */
	__u64 last_ns;	   /* arrival of the last */
	__u64 active_ns;   /* of the last record */
	__u64 peer_cookie; /* who sends to this socket; 0: not known yet */
};

/* Purpose: state of each Unix stream socket that was used. Key: socket. Writer: this file. Freed by the
 * kernel with the socket. No memory: counted as conn_open/map_full. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct unix_conn);
} unix_conns SEC(".maps");

static __always_inline int is_unix_stream(const struct sock *sk)
{
	return sk->__sk_common.skc_family == AF_UNIX && sk->sk_type == SOCK_STREAM;
}

static __always_inline void announce(struct conn *conn)
{
	struct sonde_conn_open *open;

	open = emit__reserve(SONDE_REC_CONN_OPEN, sizeof(*open), sizeof(*open), conn->cookie, 0);
	if (!open)
		return; /* the next head tries again */
	__builtin_memset(open->local, 0, sizeof(open->local));
	__builtin_memset(open->remote, 0, sizeof(open->remote));
	open->local_port = 0;
	open->remote_port = 0;
	open->family = AF_UNIX;
	open->role = conn->role;
	open->pad = 0;
	emit__submit(open);
	conn->announced = 1;
}

/* The first bytes that look like a request say which side this is. */
static __always_inline int open_conn(struct unix_conn *uc, struct sock *sk, payload_source *bytes,
				     const struct segment *seg)
{
	struct conn *conn = &uc->conn;
	int verdict = http_run__segment_verdict(bytes, seg, 1);

	if (verdict == SONDE_SNIFF_NO) {
		if (++uc->misses >= UNIX_MISSES_MAX)
			conn->state = CONN_IGNORED;
		return 0;
	}
	conn->role = seg->direction == SONDE_IN ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
	conn->last_direction = !seg->direction;
	conn->state = verdict == SONDE_SNIFF_YES ? CONN_HTTP1 : CONN_MAYBE;
	conn->cookie = bpf_get_socket_cookie(sk);
	return 1;
}

/* Bytes that nobody can look at. Where a head was to come, it is lost; a body has only come further. */
static __always_inline void on_unseen(struct conn *conn, const struct segment *seg, int is_request)
{
	struct sonde_run *run = &conn->runs[seg->direction == SONDE_OUT];

	run->next_seq = seg->seq + seg->length;
	run->walk.state = SONDE_WALK_OFF;
	if (conn->last_direction != seg->direction) {
		conn->last_direction = seg->direction;
		emit__lost_before_reserve(is_request ? SONDE_REC_REQUEST_HEAD : SONDE_REC_RESPONSE_HEAD,
					  SONDE_LOSS_READ_FAULT);
		return;
	}
	http_run__progress(conn, seg, 0, 0);
}

static __always_inline int on_bytes(struct unix_conn *uc, struct sock *sk, const struct segment *seg)
{
	__u32 key = seg->direction;
	struct user_bytes *bytes = bpf_map_lookup_elem(&user_bytes_room, &key);
	struct conn *conn = &uc->conn;
	__u64 now = bpf_ktime_get_ns();
	int seen, is_request;

	if (!bytes)
		return 0;
	seen = user_bytes__collect(bytes, seg->length, seg->direction) == 0;
	if (conn->role == SONDE_ROLE_UNKNOWN && (!seen || !open_conn(uc, sk, bytes, seg)))
		return 0;
	is_request = (seg->direction == SONDE_IN) == (conn->role == SONDE_ROLE_SERVER);
	if (!conn->announced || now - uc->active_ns > UNIX_SILENCE_NS)
		announce(conn);
	uc->active_ns = now;
	if (seen)
		http_run__take(bytes, conn, seg, is_request);
	else
		on_unseen(conn, seg, is_request);
	if (conn->state == CONN_HTTP2)
		conn->state = CONN_IGNORED; /* its frames are walked from packets only */
	return 0;
}

/* From 6.18 on a storage comes from an allocator that gives up where another CPU holds its lock: a socket is
 * worth a few tries. */
static __always_inline struct unix_conn *unix_conn__make(struct sock *sk)
{
	struct unix_conn *uc;
	int i;

	for (i = 0; i < 8; i++) {
		uc = bpf_sk_storage_get(&unix_conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (uc)
			return uc;
	}
	emit__lost_before_reserve(SONDE_REC_CONN_OPEN, SONDE_LOSS_MAP_FULL);
	return 0;
}

/* made: bytes were moved, so it is made where there is none. */
static __always_inline struct unix_conn *unix_conn__of(struct sock *sk, int made)
{
	return made ? unix_conn__make(sk) : bpf_sk_storage_get(&unix_conns, sk, 0, 0);
}

/* In the receiver's storage: when this socket's bytes reached it. */
static __always_inline void note_arrival(struct sock *sk, const struct unix_conn *uc)
{
	struct unix_sock *from = bpf_skc_to_unix_sock(sk);
	struct unix_conn *to;
	struct sock *peer;
	__u64 now;
	__u32 waiting;

	if (!from)
		return;
	peer = from->peer;
	if (!peer)
		return;
	to = bpf_sk_storage_get(&unix_conns, peer, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!to)
		return; /* the peer's own call makes it, or counts the loss */
	to->peer_cookie = uc->conn.cookie;
	/* each send is a buffer of its own in the queue (unix_stream_sendmsg) */
	waiting = peer->sk_receive_queue.qlen;
	if (waiting == 0)
		return; /* read before this send returned */
	now = bpf_ktime_get_ns();
	if (waiting == 1 || to->first_ns == 0)
		to->first_ns = now;
	to->last_ns = now;
}

static __always_inline void emit_close(__u64 cookie, __u32 received, __u32 sent, __s32 error)
{
	struct sonde_conn_close *close;

	close = emit__reserve(SONDE_REC_CONN_CLOSE, sizeof(*close), sizeof(*close), cookie, 0);
	if (!close)
		return;
	close->bytes_received = received;
	close->bytes_sent = sent;
	close->rtt_us = 0;
	close->retransmits = 0;
	close->error = error;
	close->pad = 0;
	emit__submit(close);
}

/* The other side is gone. Its own end cannot be seen when it happens, but it can be told here. */
static __always_inline void on_end(struct unix_conn *uc, __s32 error)
{
	if (uc->conn.role == SONDE_ROLE_UNKNOWN || uc->conn.state == CONN_IGNORED)
		return;
	emit_close(uc->conn.cookie, uc->counts[SONDE_IN], uc->counts[SONDE_OUT], error);
	if (uc->peer_cookie)
		emit_close(uc->peer_cookie, uc->counts[SONDE_OUT], uc->counts[SONDE_IN], error);
	uc->conn.state = CONN_IGNORED;
}

/* The peer has closed its sending direction: a response of unknown length ends here. */
static __always_inline void on_no_more(struct unix_conn *uc)
{
	struct sonde_passed passed = {.seq = uc->counts[SONDE_IN], .time_ns = bpf_ktime_get_ns()};

	if (uc->conn.role == SONDE_ROLE_UNKNOWN || uc->conn.state == CONN_IGNORED)
		return;
	progress__emit(uc->conn.cookie, SONDE_IN, SONDE_TCP_FIN, 0, &passed);
	if (uc->peer_cookie)
		progress__emit(uc->peer_cookie, SONDE_OUT, SONDE_TCP_FIN, 0, &passed);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(unix_send_length, struct sock *sk, int ret, int flags)
{
	struct segment seg = {.direction = SONDE_OUT, .tcp_flags = SONDE_TCP_PSH};
	struct unix_conn *uc;

	if (!is_unix_stream(sk) || ret == 0)
		return 0;
	uc = unix_conn__of(sk, ret > 0);
	if (!uc || uc->conn.state == CONN_IGNORED)
		return 0;
	if (ret < 0) {
		if (ret == -EPIPE)
			on_end(uc, EPIPE);
		return 0;
	}
	seg.length = ret;
	seg.seq = uc->counts[SONDE_OUT];
	seg.ack = uc->counts[SONDE_IN];
	uc->counts[SONDE_OUT] += ret;
	on_bytes(uc, sk, &seg);
	if (uc->conn.role != SONDE_ROLE_UNKNOWN && uc->conn.state != CONN_IGNORED)
		note_arrival(sk, uc);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(unix_recv_length, struct sock *sk, int ret, int flags)
{
	struct segment seg = {.direction = SONDE_IN, .tcp_flags = SONDE_TCP_PSH};
	struct unix_conn *uc;

	if (!is_unix_stream(sk) || ret < 0 || (flags & MSG_PEEK))
		return 0;
	uc = unix_conn__of(sk, ret > 0);
	if (!uc || uc->conn.state == CONN_IGNORED)
		return 0;
	if (ret == 0) {
		if ((sk->sk_shutdown & SHUTDOWN_BOTH) == SHUTDOWN_BOTH)
			on_end(uc, 0);
		else if (sk->sk_shutdown & SHUTDOWN_RECEIVE)
			on_no_more(uc);
		return 0;
	}
	seg.length = ret;
	seg.seq = uc->counts[SONDE_IN];
	seg.ack = uc->counts[SONDE_OUT];
	/* the first byte of a request counts, and the last of a response */
	seg.time_ns = uc->conn.role == SONDE_ROLE_CLIENT ? uc->last_ns : uc->first_ns;
	if (uc->first_ns == 0)
		seg.time_ns = 0;
	uc->first_ns = sk->sk_receive_queue.qlen == 0 ? 0 : uc->last_ns;
	uc->counts[SONDE_IN] += ret;
	on_bytes(uc, sk, &seg);
	if (uc->conn.unread) {
		uc->conn.unread = 0;
		socket_read__emit(&uc->conn, uc->counts[SONDE_IN], 0);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
