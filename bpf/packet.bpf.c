// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The bytes of each TCP segment train, both ways, at the root of cgroup v2: request and response heads and
 * the progress of what follows them. Always lets the packet pass. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/core_compat.bpf.h"
#include "bpf/deferred.bpf.h"
#include "bpf/emit.bpf.h"

typedef struct __sk_buff payload_source;

static __always_inline long payload__load(payload_source *skb, __u64 offset, void *to, __u32 n)
{
	return bpf_skb_load_bytes(skb, offset, to, n);
}

#include "bpf/http_run.bpf.h"
#include "bpf/tls_socket.bpf.h"

#define PASS 1
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define AF_INET 2
#define AF_INET6 10
/* extension headers (RFC 8200 §4): more than four in a row is not seen in practice */
#define IPV6_EXTENSIONS_MAX 4
#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_DESTINATION 60

static __always_inline int ipv6_transport_offset(struct __sk_buff *skb, struct ipv6hdr *ip6)
{
	__u32 offset = sizeof(*ip6);
	__u8 next = ip6->nexthdr;
	int i;

	if (next == IPPROTO_TCP)
		return offset;
	for (i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		__u8 ext[2];

		if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING && next != IPV6_DESTINATION)
			return -1;
		if (bpf_skb_load_bytes(skb, offset, ext, sizeof(ext)))
			return -1;
		next = ext[0];
		offset += ((__u32)ext[1] + 1) * 8;
		if (next == IPPROTO_TCP)
			return offset;
	}
	return -1;
}

/* 0: a TCP segment that carries payload or FIN; otherwise nothing of ours */
static __always_inline int parse_segment(struct __sk_buff *skb, struct segment *seg, __be16 *sender_port)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u32 offset;
	struct tcphdr tcp_copy, *tcp;
	__u8 doff, flags;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data;

		if ((void *)(ip + 1) > data_end || ip->protocol != IPPROTO_TCP)
			return -1;
		offset = ip->ihl * 4;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = data;
		int found;

		if ((void *)(ip6 + 1) > data_end)
			return -1;
		found = ipv6_transport_offset(skb, ip6);
		if (found < 0)
			return -1;
		offset = found;
	} else {
		return -1;
	}
	if (offset == sizeof(struct iphdr) && data + sizeof(struct iphdr) + sizeof(*tcp) <= data_end) {
		tcp = data + sizeof(struct iphdr);
	} else {
		if (bpf_skb_load_bytes(skb, offset, &tcp_copy, sizeof(tcp_copy)))
			return -1;
		tcp = &tcp_copy;
	}
	doff = tcp->doff;
	flags = ((__u8 *)tcp)[13];
	seg->seq = bpf_ntohl(tcp->seq);
	seg->ack = bpf_ntohl(tcp->ack_seq);
	*sender_port = tcp->source;
	seg->payload_offset = offset + doff * 4;
	if (skb->len < seg->payload_offset)
		return -1;
	seg->length = skb->len - seg->payload_offset;
	seg->tcp_flags = flags;
	if (seg->length == 0 && !(flags & SONDE_TCP_FIN))
		return -1;
	return 0;
}

/* Retransmitted bytes: all of them were received in order, or sent, before. */
static __always_inline int is_old(struct bpf_sock *sk, const struct segment *seg)
{
	struct bpf_tcp_sock *tp = bpf_tcp_sock(sk);
	__u32 received, sent;

	if (!tp)
		return 0;
	/* volatile: one load from a chosen offset is arithmetic on the pointer, which the verifier refuses */
	received = *(volatile __u32 *)&tp->rcv_nxt;
	sent = *(volatile __u32 *)&tp->snd_nxt;
	return seg->length > 0 &&
	       !sonde_seq_before(seg->direction == SONDE_IN ? received : sent, seg->seq + seg->length);
}

static __always_inline void announce(struct __sk_buff *skb, struct bpf_sock *sk, struct conn *conn,
				     __u64 cookie)
{
	struct sonde_conn_open *open;

	open = emit__reserve(SONDE_REC_CONN_OPEN, sizeof(*open), sizeof(*open), cookie, 0);
	if (!open)
		return; /* the next head tries again */
	__builtin_memset(open->local, 0, sizeof(open->local));
	__builtin_memset(open->remote, 0, sizeof(open->remote));
	if (sk->family == AF_INET6) {
		__u32 *local = (__u32 *)open->local, *remote = (__u32 *)open->remote;

		local[0] = sk->src_ip6[0], local[1] = sk->src_ip6[1];
		local[2] = sk->src_ip6[2], local[3] = sk->src_ip6[3];
		remote[0] = sk->dst_ip6[0], remote[1] = sk->dst_ip6[1];
		remote[2] = sk->dst_ip6[2], remote[3] = sk->dst_ip6[3];
	} else {
		*(__u32 *)open->local = sk->src_ip4;
		*(__u32 *)open->remote = sk->dst_ip4;
	}
	open->local_port = sk->src_port;
	open->remote_port = core_compat__remote_port(sk);
	open->family = sk->family;
	open->role = conn->role;
	open->pad = 0;
	emit__submit(open);
	conn->announced = 1;
}

/* What the segment begins like: enum sonde_tls_sniff. */
static __noinline int tls_verdict(struct __sk_buff *skb, const struct segment *seg)
{
	__u8 bytes[SONDE_TLS_SNIFF_BYTES];

	if (seg->length < sizeof(bytes) || bpf_skb_load_bytes(skb, seg->payload_offset, bytes, sizeof(bytes)))
		return SONDE_TLS_NO;
	return sonde_sniff_tls(bytes, sizeof(bytes));
}

/* The state of a connection whose first bytes look like a request; none where they do not. */
static __always_inline struct conn *open_conn(struct __sk_buff *skb, struct bpf_sock *sk,
					      const struct segment *seg)
{
	int verdict = http_run__segment_verdict(skb, seg, 1), tls = SONDE_TLS_NO;
	struct conn *conn;

	if (verdict == SONDE_SNIFF_NO) {
		tls = tls_verdict(skb, seg);
		if (tls == SONDE_TLS_NO)
			return 0;
	}
	conn = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!conn) {
		emit__lost_before_reserve(SONDE_REC_CONN_OPEN, SONDE_LOSS_MAP_FULL);
		return 0;
	}
	conn->role = seg->direction == SONDE_IN ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
	conn->last_direction = !seg->direction; /* the first segment is a turn */
	conn->state = verdict == SONDE_SNIFF_YES ? CONN_HTTP1 : CONN_MAYBE;
	conn->cookie = bpf_get_socket_cookie(skb);
	if (tls) {
		conn->state = CONN_TLS;
		if (tls == SONDE_TLS_MIDDLE)
			conn->role = SONDE_ROLE_UNKNOWN;
	}
	return conn;
}

/* The first segment names the server; of the others only their arrival matters. */
static __noinline int emit_hello(struct __sk_buff *skb, const struct segment *seg, __u64 cookie)
{
	struct sonde_tls_hello *hello;
	__u64 n = seg->length, beyond_first;

	if (n > SONDE_TLS_HELLO_MAX)
		n = SONDE_TLS_HELLO_MAX;
	beyond_first = n - 1; /* as in DEFINE_EMIT_HEAD */
	asm volatile("" : "+r"(beyond_first));
	if (beyond_first > SONDE_TLS_HELLO_MAX - 1)
		return 0;
	n = beyond_first + 1;
	hello = emit__reserve(SONDE_REC_TLS_HELLO, sizeof(*hello) + SONDE_TLS_HELLO_MAX, sizeof(*hello) + n,
			      cookie, 0);
	if (!hello)
		return 0;
	hello->length = seg->length;
	hello->captured = n;
	hello->direction = seg->direction;
	hello->pad = 0;
	if (bpf_skb_load_bytes(skb, seg->payload_offset, hello->data, n)) {
		emit__discard(hello, SONDE_LOSS_READ_FAULT);
		return 0;
	}
	emit__submit(hello);
	return 1;
}

static __always_inline void on_tls(struct __sk_buff *skb, struct bpf_sock *sk, struct conn *conn,
				   const struct segment *seg)
{
	if (seg->length == 0 || is_old(sk, seg))
		return;
	if (!conn->announced)
		announce(skb, sk, conn, conn->cookie);
	if (seg->direction == SONDE_IN)
		tls_socket__arrived(conn, seg->seq, seg->length);
}

static __always_inline void on_payload(struct __sk_buff *skb, struct bpf_sock *sk, const struct segment *seg)
{
	struct conn *conn = bpf_sk_storage_get(&conns, sk, 0, 0);
	int is_request;

	if (!conn) {
		conn = open_conn(skb, sk, seg);
		if (conn && conn->state == CONN_TLS && conn->role != SONDE_ROLE_UNKNOWN)
			emit_hello(skb, seg, conn->cookie);
	}
	if (!conn || conn->state == CONN_IGNORED)
		return;
	if (conn->state == CONN_TLS) {
		on_tls(skb, sk, conn, seg);
		return;
	}
	is_request = (seg->direction == SONDE_IN) == (conn->role == SONDE_ROLE_SERVER);
	if (!conn->announced)
		announce(skb, sk, conn, conn->cookie);
	http_run__take(skb, conn, seg, is_request);
}

/* On a listener: the socket is about to be made of this packet (bpf/deferred.bpf.h). */
static __noinline int keep_for_child(struct __sk_buff *skb, const struct segment *seg, __u32 local_port,
				     __be16 remote_port)
{
	struct deferred *kept = deferred__slot();
	__u64 n = seg->length;
	int verdict;

	if (!kept)
		return 0;
	kept->time_ns = 0;
	verdict = http_run__segment_verdict(skb, seg, 1);
	if (verdict == SONDE_SNIFF_NO)
		return 0;
	if (n > sonde_cfg.capture_bytes)
		n = sonde_cfg.capture_bytes;
	/* 1 … SONDE_CAPTURE_MAX as arithmetic: before 6.2 a bound does not follow a copy to another register
	 */
	n = ((n - 1) & (SONDE_CAPTURE_MAX - 1)) + 1;
	if (bpf_skb_load_bytes(skb, seg->payload_offset, kept->data, n))
		return 0;
	kept->captured = n;
	kept->seq = seg->seq;
	kept->ack = seg->ack;
	kept->length = seg->length;
	kept->tcp_flags = seg->tcp_flags;
	kept->settled = verdict == SONDE_SNIFF_YES;
	kept->local_port = local_port;
	kept->remote_port = remote_port;
	http_run__load_tail(skb, seg, kept->tail);
	kept->time_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int on_packet(struct __sk_buff *skb, __u8 direction)
{
	struct segment seg = {.direction = direction};
	__be16 sender_port = 0;
	struct bpf_sock *sk;

	if (parse_segment(skb, &seg, &sender_port))
		return PASS;
	sk = skb->sk;
	if (!sk)
		return PASS;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return PASS;
	if (sk->state == BPF_TCP_LISTEN) {
		if (direction == SONDE_IN)
			keep_for_child(skb, &seg, sk->src_port, sender_port);
		return PASS;
	}
	on_payload(skb, sk, &seg);
	return PASS;
}

SEC("cgroup_skb/ingress")
int packet_ingress(struct __sk_buff *skb)
{
	return on_packet(skb, SONDE_IN);
}

SEC("cgroup_skb/egress")
int packet_egress(struct __sk_buff *skb)
{
	return on_packet(skb, SONDE_OUT);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
