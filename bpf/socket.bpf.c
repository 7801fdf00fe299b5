// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* When an application reads a request, on which thread; and how a connection ends. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/deferred_child.bpf.h"
#include "bpf/emit.bpf.h"
#include "bpf/progress.bpf.h"
#include "bpf/socket_read.bpf.h"
#include "bpf/tls_socket.bpf.h"
#include "bpf/websocket_record.bpf.h"

#define IPPROTO_TCP_NUMBER 6
#define AF_INET 2
#define AF_INET6 10

/* Called after the application has received: copied_seq tells what it took. A peek takes nothing. */
static __always_inline void on_read(struct sock *sk)
{
	struct tcp_sock *tp;
	struct conn *conn;
	__u32 copied_seq;

	conn = bpf_sk_storage_get(&conns, sk, 0, 0);
	if (!conn || !conn->unread || conn->state == CONN_IGNORED || conn->state == CONN_WEBSOCKET)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	copied_seq = tp->copied_seq;
	if (conn->state == CONN_TLS) {
		tls_socket__received(conn, copied_seq);
		return;
	}
	if (!sonde_seq_before(conn->unread_seq, copied_seq))
		return;
	if (conn->state == CONN_HTTP2) {
		/* many streams wait at once: each read that may have taken in the beginning of one counts */
		if (sonde_seq_before(conn->head_seq, conn->unread_seq))
			return;
		conn->unread_seq = copied_seq;
	} else {
		conn->unread = 0;
	}
	socket_read__emit(conn, copied_seq, 0);
}

/* from 6.3 (kernel commit 6e6eda44b939): every receive of every socket, whatever the system call */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(socket_recv_length, struct sock *sk, int ret, int flags)
{
	__u16 family = sk->__sk_common.skc_family;

	if (ret <= 0 || (family != AF_INET && family != AF_INET6))
		return 0;
	on_read(sk);
	return 0;
}

/* before 6.3: fires inside tcp_recvmsg after each piece was copied, copied_seq already moved on */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(socket_rcv_space_adjust, struct sock *sk)
{
	on_read(sk);
	return 0;
}

static __always_inline void take_hello(struct sock *sk, struct conn *conn, struct deferred *kept)
{
	conn->state = CONN_TLS;
	child__announce(sk, conn);
	tls_socket__arrived(conn, kept->seq, kept->length, kept->time_ns);
	deferred__emit_hello(kept, conn->cookie);
	kept->time_ns = 0;
}

/* A socket was made of a packet that carried a request's first bytes (bpf/deferred.bpf.h). */
static __always_inline void take_deferred(struct sock *sk)
{
	struct deferred *kept = deferred__of(sk);
	struct conn *conn;
	struct sonde_run *run;

	if (!kept || kept->http2)
		return;
	conn = child__open(sk);
	if (!conn)
		return;
	if (kept->tls) {
		take_hello(sk, conn, kept);
		return;
	}
	conn->state = kept->settled ? CONN_HTTP1 : CONN_MAYBE;
	child__announce(sk, conn);
	conn->unread_seq = kept->seq;
	conn->unread = 1;
	run = &conn->runs[0];
	run->started = 1;
	run->next_seq = kept->seq + kept->length;
	sonde_run_note_last(run, kept->tail, kept->length);
	sonde_run_captured(run, kept->seq, kept->length, kept->captured, 0);
	if (!kept->settled) {
		/* too few bytes to tell: packet.bpf.c joins the next ones to these */
		__builtin_memcpy(conn->first, kept->data, sizeof(conn->first));
		conn->sniffed = kept->captured < SONDE_SNIFF_BYTES ? kept->captured : SONDE_SNIFF_BYTES;
	}
	deferred__emit(kept, conn->cookie);
	kept->time_ns = 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_set_state, struct sock *sk, int oldstate, int newstate)
{
	struct sonde_conn_close *close;
	struct tcp_sock *tp;
	struct conn *conn;

	if (oldstate == TCP_SYN_RECV && newstate == TCP_ESTABLISHED)
		take_deferred(sk);
	if (newstate != TCP_CLOSE)
		return 0;
	conn = bpf_sk_storage_get(&conns, sk, 0, 0);
	if (!conn || !conn->announced)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	if (conn->state == CONN_TLS)
		tls_socket__closed(conn);
	progress__flush(conn, SONDE_IN);
	progress__flush(conn, SONDE_OUT);
	websocket__end(conn);
	close = emit__reserve(SONDE_REC_CONN_CLOSE, sizeof(*close), sizeof(*close), conn->cookie, 0);
	if (!close)
		return 0;
	close->bytes_received = tp->bytes_received;
	close->bytes_sent = tp->bytes_sent;
	close->rtt_us = tp->srtt_us >> 3; /* kept times eight */
	close->retransmits = tp->total_retrans;
	close->error = sk->sk_err;
	close->pad = 0;
	emit__submit(close);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
