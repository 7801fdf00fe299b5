// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The bytes of each TCP segment train, both ways, at the root of cgroup v2: request and response heads and
 * the progress of what follows them, and the frames of HTTP/2. Always lets the packet pass. */
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
#if HTTP_RUN_LOOPS
#include "bpf/http2.bpf.h"
#endif

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
#define CONN_TRIES (HTTP_RUN_LOOPS ? 8 : 1)

#if HTTP_RUN_LOOPS
/* Purpose: the programs that walk HTTP/2, which the others jump to; two maps, since the kernel wants one
 * attach type in each (commit 4540aed51b12, 6.18). Key: 0. Writer: user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} http2_ingress_jump SEC(".maps"), http2_egress_jump SEC(".maps");
#endif

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

/* Nothing was sent, or received, before this segment. */
static __always_inline int is_first_data(struct bpf_sock *sk, const struct segment *seg)
{
	struct bpf_tcp_sock *tp = bpf_tcp_sock(sk);

	if (!tp)
		return 0;
	/* bytes_acked counts the SYN of the side that connected */
	return seg->direction == SONDE_IN ? tp->bytes_received == 0
					  : tp->bytes_acked <= 1 && tp->snd_una == seg->seq;
}

/* A request that came with the handshake passes the listener, not this socket (TCP_DEFER_ACCEPT). */
static __always_inline int has_received(struct bpf_sock *sk)
{
	struct bpf_tcp_sock *tp = bpf_tcp_sock(sk);

	return tp && tp->bytes_received > 0;
}

static __always_inline struct conn *new_conn(struct __sk_buff *skb, struct bpf_sock *sk, __u32 role)
{
	struct conn *conn;
	int i;

	/* From 6.18 on a storage comes from an allocator that gives up where another CPU holds its lock: a
	 * connection is worth a few tries. */
	for (i = 0; i < CONN_TRIES; i++) {
		conn = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (conn)
			break;
	}
	if (!conn) {
		emit__lost_before_reserve(SONDE_REC_CONN_OPEN, SONDE_LOSS_MAP_FULL);
		return 0;
	}
	conn->role = role;
	conn->cookie = bpf_get_socket_cookie(skb);
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
		tls_socket__arrived(conn, seg->seq, seg->length, bpf_ktime_get_ns());
}

/* HTTP/2 whose preface is not in this segment: a server that speaks before its client has, or a connection
 * that was open before anybody looked. */
static __always_inline struct conn *open_http2(struct __sk_buff *skb, struct bpf_sock *sk,
					       const struct segment *seg, const __u8 *bytes, __u32 n)
{
	int settings = sonde_http2_begins_with_settings(bytes, n) && is_first_data(sk, seg);
	enum sonde_http2_block block = sonde_http2_begins_with_block(bytes, n, seg->length);
	int from_client = !settings && block == SONDE_HTTP2_REQUEST;
	struct conn *conn;

	if (!settings && block == SONDE_HTTP2_NO_BLOCK)
		return 0;
	conn = new_conn(skb, sk,
			(seg->direction == SONDE_IN) == from_client ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT);
	if (!conn)
		return 0;
	if (settings)
		http2__begin(conn, seg->ack, seg->seq, has_received(sk));
	else
		http2__join(conn);
	return conn;
}

static __always_inline struct conn *open_tls(struct __sk_buff *skb, struct bpf_sock *sk,
					     const struct segment *seg, int verdict)
{
	__u32 role = seg->direction == SONDE_IN ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
	struct conn *conn = new_conn(skb, sk, verdict == SONDE_TLS_MIDDLE ? SONDE_ROLE_UNKNOWN : role);

	if (conn)
		conn->state = CONN_TLS;
	return conn;
}

/* What the segment begins like; no bytes are NO. Where HTTP/2 is followed, its first n bytes, too. */
static __always_inline int sniff_request(struct __sk_buff *skb, const struct segment *seg,
					 struct sniffed *sniffed, __u32 *n)
{
	*n = 0;
	if (!HTTP_RUN_LOOPS)
		return http_run__segment_verdict(skb, seg, 1);
	*n = http_run__sniff(skb, seg, sniffed);
	return *n ? http_run__verdict(sniffed, *n, 1) : SONDE_SNIFF_NO;
}

/* The state of a connection whose first bytes look like a request, TLS or HTTP/2; none where they do not. */
static __noinline struct conn *open_conn(struct __sk_buff *skb, struct bpf_sock *sk,
					 const struct segment *seg)
{
	struct sniffed sniffed = {};
	__u32 n;
	int verdict = sniff_request(skb, seg, &sniffed, &n), tls;
	struct conn *conn;

	if (verdict == SONDE_SNIFF_NO) {
		tls = tls_verdict(skb, seg);
		if (tls != SONDE_TLS_NO)
			return open_tls(skb, sk, seg, tls);
		return HTTP_RUN_LOOPS ? open_http2(skb, sk, seg, sniffed.bytes, n) : 0;
	}
	conn = new_conn(skb, sk, seg->direction == SONDE_IN ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT);
	if (!conn)
		return 0;
	conn->last_direction = !seg->direction; /* the first segment is a turn */
	if (HTTP_RUN_LOOPS && sonde_sniff_http2(sniffed.bytes, n))
		http2__begin(conn, seg->seq, seg->ack, 0);
	else
		conn->state = verdict == SONDE_SNIFF_YES ? CONN_HTTP1 : CONN_MAYBE;
	return conn;
}

/* Its frames are walked, not its bytes sent. */
static __always_inline int is_framed(const struct conn *conn)
{
	return HTTP_RUN_LOOPS && (conn->state == CONN_HTTP2 || conn->state == CONN_WEBSOCKET);
}

static __always_inline int switches_protocols(struct __sk_buff *skb, struct conn *conn,
					      const struct segment *seg, int turns)
{
#if HTTP_RUN_LOOPS
	return upgrade__may_be(skb, conn, seg, turns);
#else
	return 0;
#endif
}

/* The state of the segment's connection; none: nothing of ours. */
static __always_inline struct conn *find_conn(struct __sk_buff *skb, struct bpf_sock *sk,
					      const struct segment *seg)
{
	struct conn *conn = bpf_sk_storage_get(&conns, sk, 0, 0), *opened;

	if (conn && conn->state != CONN_OPENING)
		return conn;
	/* a segment that goes the other way may be doing this on another CPU: both come to one result */
	opened = open_conn(skb, sk, seg);
	if (!opened && conn)
		emit__lost_before_reserve(SONDE_REC_CONN_OPEN, SONDE_LOSS_MAP_FULL);
	if (opened && opened->state == CONN_TLS && opened->role != SONDE_ROLE_UNKNOWN)
		emit_hello(skb, seg, opened->cookie);
	return opened;
}

/* 1: the segment has frames of HTTP/2 or WebSocket that are yet to be walked. */
static __always_inline int on_payload(struct __sk_buff *skb, struct bpf_sock *sk, const struct segment *seg)
{
	struct conn *conn = find_conn(skb, sk, seg);
	int is_request, turns;

	if (!conn || conn->state == CONN_IGNORED)
		return 0;
	if (conn->state == CONN_TLS) {
		on_tls(skb, sk, conn, seg);
		return 0;
	}
	is_request = (seg->direction == SONDE_IN) == (conn->role == SONDE_ROLE_SERVER);
	if (is_framed(conn) && is_old(sk, seg))
		return 0;
	if (!conn->announced)
		announce(skb, sk, conn, conn->cookie);
	if (is_framed(conn))
		return 1;
	turns = conn->last_direction != seg->direction;
	http_run__take(skb, conn, seg, is_request);
	if (is_framed(conn))
		return 1;
	return !is_request && seg->length > 0 && switches_protocols(skb, conn, seg, turns);
}

/* HTTP/2's frames have to be walked, so more of them is kept than of a head. 0: they could not be read. */
static __always_inline __u32 keep_http2(struct __sk_buff *skb, const struct segment *seg,
					struct deferred *kept)
{
	__u64 n = seg->length;

	if (n > DEFERRED_HTTP2_MAX)
		n = DEFERRED_HTTP2_MAX;
	n = ((n - 1) & (DEFERRED_HTTP2_MAX - 1)) + 1; /* as in keep_head */
	kept->http2 = 1;
	return bpf_skb_load_bytes(skb, seg->payload_offset, kept->data, n) ? 0 : n;
}

static __always_inline __u32 keep_head(struct __sk_buff *skb, const struct segment *seg,
				       struct deferred *kept, __u32 limit)
{
	__u64 n = seg->length;

	if (n > limit)
		n = limit;
	/* 1 … SONDE_CAPTURE_MAX as arithmetic: before 6.2 a bound does not follow a copy to another register
	 */
	n = ((n - 1) & (SONDE_CAPTURE_MAX - 1)) + 1;
	return bpf_skb_load_bytes(skb, seg->payload_offset, kept->data, n) ? 0 : n;
}

/* On a listener: the socket is about to be made of this packet (bpf/deferred.bpf.h). */
static __noinline int keep_for_child(struct __sk_buff *skb, const struct segment *seg, __u32 local_port,
				     __be16 remote_port)
{
	struct deferred *kept = deferred__slot();
	struct sniffed sniffed = {};
	__u32 sniffed_bytes, limit;
	__u64 tail;
	int verdict;

	if (!kept)
		return 0;
	kept->time_ns = 0;
	kept->tls = 0;
	kept->http2 = 0;
	limit = sonde_cfg.capture_bytes;
	verdict = sniff_request(skb, seg, &sniffed, &sniffed_bytes);
	if (verdict == SONDE_SNIFF_NO) {
		if (tls_verdict(skb, seg) != SONDE_TLS_HELLO)
			return 0;
		kept->tls = 1;
		limit = SONDE_TLS_HELLO_MAX;
	}
	if (HTTP_RUN_LOOPS && sonde_sniff_http2(sniffed.bytes, sniffed_bytes))
		kept->captured = keep_http2(skb, seg, kept);
	else
		kept->captured = keep_head(skb, seg, kept, limit);
	if (!kept->captured)
		return 0;
	kept->seq = seg->seq;
	kept->ack = seg->ack;
	kept->length = seg->length;
	kept->tcp_flags = seg->tcp_flags;
	kept->settled = verdict == SONDE_SNIFF_YES;
	kept->local_port = local_port;
	kept->remote_port = remote_port;
	tail = http_run__tail(skb, seg);
	__builtin_memcpy(kept->tail, &tail, SONDE_TAIL_BYTES);
	kept->time_ns = bpf_ktime_get_ns();
	return 0;
}

/* The socket of a TCP segment with payload or FIN; none where there is nothing of ours. */
static __always_inline struct bpf_sock *find_segment(struct __sk_buff *skb, struct segment *seg)
{
	__be16 sender_port = 0;
	struct bpf_sock *sk;

	if (parse_segment(skb, seg, &sender_port))
		return 0;
	sk = skb->sk;
	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	if (sk->state == BPF_TCP_LISTEN) {
		if (seg->direction == SONDE_IN)
			keep_for_child(skb, seg, sk->src_port, sender_port);
		return 0;
	}
	return sk;
}

#if HTTP_RUN_LOOPS
#define walk_http2(skb, jump) bpf_tail_call(skb, &(jump), 0)
#else
#define walk_http2(skb, jump) ((void)0)
#endif

SEC("cgroup_skb/ingress")
int packet_ingress(struct __sk_buff *skb)
{
	struct segment seg = {.direction = SONDE_IN};
	struct bpf_sock *sk = find_segment(skb, &seg);

	if (sk && on_payload(skb, sk, &seg))
		walk_http2(skb, http2_ingress_jump);
	return PASS;
}

SEC("cgroup_skb/egress")
int packet_egress(struct __sk_buff *skb)
{
	struct segment seg = {.direction = SONDE_OUT};
	struct bpf_sock *sk = find_segment(skb, &seg);

	if (sk && on_payload(skb, sk, &seg))
		walk_http2(skb, http2_egress_jump);
	return PASS;
}

#if HTTP_RUN_LOOPS
/* HTTP/2 has programs of its own: the walk then has a stack to itself. */
static __always_inline int on_http2(struct __sk_buff *skb, __u8 direction)
{
	struct segment seg = {.direction = direction};
	struct bpf_sock *sk = find_segment(skb, &seg);
	struct conn *conn;

	if (!sk)
		return PASS;
	conn = bpf_sk_storage_get(&conns, sk, 0, 0);
	if (conn)
		http2__walk(skb, conn, &seg);
	return PASS;
}

SEC("cgroup_skb/ingress")
int http2_ingress(struct __sk_buff *skb)
{
	return on_http2(skb, SONDE_IN);
}

SEC("cgroup_skb/egress")
int http2_egress(struct __sk_buff *skb)
{
	return on_http2(skb, SONDE_OUT);
}
#endif

char LICENSE[] SEC("license") = "Dual BSD/GPL";
