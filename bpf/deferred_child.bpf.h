/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The socket that is made of a packet with a request's first bytes (bpf/deferred.bpf.h), as tracing programs
 * see it. */
#ifndef SONDE_DEFERRED_CHILD_BPF_H
#define SONDE_DEFERRED_CHILD_BPF_H

#include <bpf/bpf_endian.h>

#include "bpf/deferred.bpf.h"

#ifndef AF_INET6
#define AF_INET6 10
#endif

/* What this CPU has kept, if it is the first of what this new socket receives. */
static __always_inline struct deferred *deferred__of(struct sock *sk)
{
	struct deferred *kept = deferred__slot();
	struct tcp_sock *tp;

	if (!kept || !kept->time_ns)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || tp->rcv_nxt != kept->seq || sk->__sk_common.skc_num != kept->local_port ||
	    sk->__sk_common.skc_dport != kept->remote_port)
		return 0;
	return kept;
}

static __always_inline struct conn *child__open(struct sock *sk)
{
	struct conn *conn = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!conn) {
		emit__lost_before_reserve(SONDE_REC_CONN_OPEN, SONDE_LOSS_MAP_FULL);
		return 0;
	}
	conn->role = SONDE_ROLE_SERVER;
	conn->last_direction = SONDE_IN;
	conn->cookie = bpf_get_socket_cookie(sk);
	return conn;
}

static __always_inline void child__announce(struct sock *sk, struct conn *conn)
{
	struct sonde_conn_open *open;

	open = emit__reserve(SONDE_REC_CONN_OPEN, sizeof(*open), sizeof(*open), conn->cookie, 0);
	if (!open)
		return; /* the next head tries again */
	__builtin_memset(open->local, 0, sizeof(open->local));
	__builtin_memset(open->remote, 0, sizeof(open->remote));
	open->family = sk->__sk_common.skc_family;
	if (open->family == AF_INET6) {
		__builtin_memcpy(open->local, &sk->__sk_common.skc_v6_rcv_saddr, 16);
		__builtin_memcpy(open->remote, &sk->__sk_common.skc_v6_daddr, 16);
	} else {
		*(__u32 *)open->local = sk->__sk_common.skc_rcv_saddr;
		*(__u32 *)open->remote = sk->__sk_common.skc_daddr;
	}
	open->local_port = sk->__sk_common.skc_num;
	open->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	open->role = SONDE_ROLE_SERVER;
	open->pad = 0;
	emit__submit(open);
	conn->announced = 1;
}

#endif
