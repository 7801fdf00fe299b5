// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* When an application reads a request, on which thread; and how a connection ends. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/emit.bpf.h"
#include "bpf/progress.bpf.h"
#include "bpf/thread_clock.bpf.h"

#define IPPROTO_TCP_NUMBER 6
#define AF_INET 2
#define AF_INET6 10

/* Called after the application has received: copied_seq tells what it took. A peek takes nothing. */
static __always_inline void on_read(struct sock *sk)
{
	struct sonde_socket_read *read;
	struct tcp_sock *tp;
	struct conn *conn;
	__u32 copied_seq, tid;

	conn = bpf_sk_storage_get(&conns, sk, 0, 0);
	if (!conn || !conn->unread || conn->state == CONN_IGNORED)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	copied_seq = tp->copied_seq;
	if (!sonde_seq_before(conn->unread_seq, copied_seq))
		return;
	conn->unread = 0;
	tid = 0;
	if (conn->role == SONDE_ROLE_CLIENT) {
		/* a client's thread matters once; a server's with every request */
		tid = (__u32)bpf_get_current_pid_tgid();
		if (conn->owner_tid == tid)
			return;
	}
	read = emit__reserve(SONDE_REC_SOCKET_READ, sizeof(*read), sizeof(*read), conn->cookie, 0);
	if (!read)
		return;
	conn->owner_tid = tid;
	read->copied_seq = copied_seq;
	read->pad = 0;
	read->h.flags |= thread_clock__read(&read->thread, read->h.time_ns);
	emit__submit(read);
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

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_set_state, struct sock *sk, int oldstate, int newstate)
{
	struct sonde_conn_close *close;
	struct tcp_sock *tp;
	struct conn *conn;

	if (newstate != TCP_CLOSE)
		return 0;
	conn = bpf_sk_storage_get(&conns, sk, 0, 0);
	if (!conn || !conn->announced)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	progress__flush(conn, SONDE_IN);
	progress__flush(conn, SONDE_OUT);
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
