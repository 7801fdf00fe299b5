// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The bytes of each TCP segment train, both ways, at the root of cgroup v2: request and response heads and
 * the progress of what follows them. Always lets the packet pass. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/core_compat.bpf.h"
#include "bpf/emit.bpf.h"
#include "bpf/progress.bpf.h"
#include "bpf/thread_clock.bpf.h"

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

/* Set by user space once flush.bpf.c runs: progress may wait. Otherwise each is sent at once. */
volatile __u32 flush_runs;

struct segment {
	__u32 payload_offset; /* from the IP header, as bpf_skb_load_bytes counts here */
	__u32 length;	      /* payload bytes */
	__u32 seq;
	__u32 ack;
	__u8 tcp_flags;
	__u8 direction;
};

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
static __always_inline int parse_segment(struct __sk_buff *skb, struct segment *seg)
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
	__u32 next;

	if (!tp)
		return 0;
	next = seg->direction == SONDE_IN ? tp->rcv_nxt : tp->snd_nxt;
	return seg->length > 0 && !sonde_seq_before(next, seg->seq + seg->length);
}

static __always_inline __u32 sniff(struct __sk_buff *skb, const struct segment *seg, __u8 bytes[24])
{
	/* bounded for the verifier as an unsigned 64-bit value */
	__u64 n = seg->length;

	if (n > SONDE_SNIFF_BYTES)
		n = SONDE_SNIFF_BYTES;
	asm volatile("" : "+r"(n));
	if (n == 0 || n > SONDE_SNIFF_BYTES)
		return 0;
	if (bpf_skb_load_bytes(skb, seg->payload_offset, bytes, n))
		return 0;
	return n;
}

static __always_inline void load_tail(struct __sk_buff *skb, const struct segment *seg,
				      __u8 tail[SONDE_TAIL_BYTES])
{
	__builtin_memset(tail, 0, SONDE_TAIL_BYTES);
	if (seg->length >= SONDE_TAIL_BYTES) {
		bpf_skb_load_bytes(skb, skb->len - SONDE_TAIL_BYTES, tail, SONDE_TAIL_BYTES);
		return;
	}
	/* right-aligned, a byte at a time: constant stack offsets for the verifier */
#pragma unroll
	for (int i = 1; i < SONDE_TAIL_BYTES; i++)
		if (seg->length >= i)
			bpf_skb_load_bytes(skb, skb->len - i, tail + SONDE_TAIL_BYTES - i, 1);
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

/* What emit_head_* is to send: by reference, since a BPF function takes five arguments at most. */
struct head_order {
	struct segment seg;
	__u64 cookie;
	__u32 type;
	__u32 flags;
	__u32 captured;
	__u8 tail[SONDE_TAIL_BYTES];
	__u32 pad;
	struct sonde_passed before;
};

static __always_inline void fill_head(struct sonde_head *head, const struct head_order *order, __u32 captured)
{
	const struct segment *seg = &order->seg;

	head->seq = seg->seq;
	head->length = seg->length;
	head->captured = captured;
	head->direction = seg->direction;
	head->tcp_flags = seg->tcp_flags;
	head->ack = seg->ack;
	__builtin_memcpy(head->tail, order->tail, SONDE_TAIL_BYTES);
	head->before = order->before;
	if (seg->direction == SONDE_OUT)
		head->h.flags |= thread_clock__read(&head->thread, head->h.time_ns);
	else
		__builtin_memset(&head->thread, 0, sizeof(head->thread));
}

/* One function per size class: a reservation is a constant, the copy is bounded by it. */
#define DEFINE_EMIT_HEAD(bytes)                                                                              \
	static __noinline int emit_head_##bytes(struct __sk_buff *skb, const struct head_order *order)       \
	{                                                                                                    \
		struct sonde_head *head;                                                                     \
		__u64 n = order->captured;                                                                   \
                                                                                                             \
		if (n > bytes)                                                                               \
			n = bytes;                                                                           \
		asm volatile("" : "+r"(n));                                                                  \
		if (n == 0 || n > bytes)                                                                     \
			return 0;                                                                            \
		head = emit__reserve(order->type, sizeof(*head) + bytes, sizeof(*head) + n, order->cookie,   \
				     order->flags);                                                          \
		if (!head)                                                                                   \
			return 0;                                                                            \
		fill_head(head, order, n);                                                                   \
		if (bpf_skb_load_bytes(skb, order->seg.payload_offset, head->data, n)) {                     \
			emit__discard(head, SONDE_LOSS_READ_FAULT);                                          \
			return 0;                                                                            \
		}                                                                                            \
		emit__submit(head);                                                                          \
		return 1;                                                                                    \
	}

DEFINE_EMIT_HEAD(128)
DEFINE_EMIT_HEAD(256)
DEFINE_EMIT_HEAD(512)
DEFINE_EMIT_HEAD(1024)
DEFINE_EMIT_HEAD(2048)
DEFINE_EMIT_HEAD(4096)

static __always_inline int emit_head(struct __sk_buff *skb, const struct head_order *order)
{
	if (order->captured <= 128)
		return emit_head_128(skb, order);
	if (order->captured <= 256)
		return emit_head_256(skb, order);
	if (order->captured <= 512)
		return emit_head_512(skb, order);
	if (order->captured <= 1024)
		return emit_head_1024(skb, order);
	if (order->captured <= 2048)
		return emit_head_2048(skb, order);
	return emit_head_4096(skb, order);
}

/* What waited in either direction goes with the head that now passes; only where both did, one needs a record
 * of its own. Returns the flag that says what `before` holds. */
static __always_inline __u32 take_waiting(struct conn *conn, struct sonde_passed *before)
{
	__builtin_memset(before, 0, sizeof(*before));
	if (progress__take(conn, SONDE_IN, before)) {
		progress__flush(conn, SONDE_OUT);
		return SONDE_FLAG_BEFORE_IN;
	}
	return progress__take(conn, SONDE_OUT, before) ? SONDE_FLAG_BEFORE_OUT : 0;
}

/* A segment that user space need not see the bytes of: how far the body has come. */
static __always_inline void on_progress(struct conn *conn, const struct segment *seg,
					const __u8 tail[SONDE_TAIL_BYTES])
{
	struct sonde_passed passed = {.time_ns = bpf_ktime_get_ns(), .seq = seg->seq, .length = seg->length};

	__builtin_memcpy(passed.tail, tail, SONDE_TAIL_BYTES);
	if (flush_runs && !(seg->tcp_flags & SONDE_TCP_FIN)) {
		progress__keep(conn, seg->direction, &passed);
		return;
	}
	progress__flush(conn, seg->direction);
	progress__emit(conn->cookie, seg->direction, seg->tcp_flags, &passed);
}

/* The state of a connection whose first bytes look like a request; none where they do not. */
static __always_inline struct conn *open_conn(struct __sk_buff *skb, struct bpf_sock *sk,
					      const struct segment *seg)
{
	__u8 bytes[24] = {};
	__u32 n = sniff(skb, seg, bytes);
	enum sonde_sniff verdict;
	struct conn *conn;

	if (n == 0)
		return 0;
	verdict = sonde_sniff_request(bytes, n);
	if (verdict == SONDE_SNIFF_NO)
		return 0;
	conn = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!conn) {
		emit__lost_before_reserve(SONDE_REC_CONN_OPEN, SONDE_LOSS_MAP_FULL);
		return 0;
	}
	conn->role = seg->direction == SONDE_IN ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
	conn->last_direction = !seg->direction; /* the first segment is a turn */
	conn->state = verdict == SONDE_SNIFF_YES ? CONN_HTTP1 : CONN_MAYBE;
	conn->cookie = bpf_get_socket_cookie(skb);
	return conn;
}

/* CONN_MAYBE: join the first segments of the request direction until they tell. */
static __always_inline void settle(struct __sk_buff *skb, struct conn *conn, const struct segment *seg)
{
	__u8 bytes[24] = {};
	__u32 n = sniff(skb, seg, bytes);

#pragma unroll
	for (int i = 0; i < SONDE_SNIFF_BYTES; i++) {
		__u32 at = conn->sniffed;

		if ((__u32)i < n && at < SONDE_SNIFF_BYTES) {
			conn->first[at] = bytes[i];
			conn->sniffed = at + 1;
		}
	}
	switch (sonde_sniff_request(conn->first, conn->sniffed)) {
	case SONDE_SNIFF_YES:
		conn->state = CONN_HTTP1;
		break;
	case SONDE_SNIFF_NO:
		conn->state = CONN_IGNORED;
		break;
	case SONDE_SNIFF_PARTIAL:
		break;
	}
}

/* The segment itself begins like a message: the next one of a pipeline, or the answer after a 1xx. */
static __always_inline int begins_message(struct __sk_buff *skb, const struct segment *seg, int is_request)
{
	__u8 bytes[24] = {};
	__u32 n = sniff(skb, seg, bytes);

	return is_request ? sonde_sniff_request(bytes, n) == SONDE_SNIFF_YES : sonde_sniff_response(bytes, n);
}

/* How many payload bytes of this segment user space is to see. */
static __always_inline __u32 bytes_wanted(struct __sk_buff *skb, struct conn *conn, struct run *run,
					  const struct segment *seg, int is_request, __u32 *flags)
{
	__u32 limit = sonde_cfg.capture_bytes;

	if (conn->last_direction == seg->direction) {
		/* the run's head is not complete yet */
		if (!run->head_complete && run->captured < limit) {
			*flags = SONDE_FLAG_CONTINUED;
			return limit - run->captured;
		}
		if (!begins_message(skb, seg, is_request))
			return 0;
	}
	conn->last_direction = seg->direction;
	run->captured = 0;
	run->head_complete = 0;
	return limit;
}

static __always_inline void on_payload(struct __sk_buff *skb, struct bpf_sock *sk, const struct segment *seg)
{
	struct conn *conn = bpf_sk_storage_get(&conns, sk, 0, 0);
	struct head_order order;
	struct run *run;
	__u32 wanted = 0;
	int is_request;

	if (!conn)
		conn = open_conn(skb, sk, seg);
	if (!conn || conn->state == CONN_IGNORED)
		return;
	is_request = (seg->direction == SONDE_IN) == (conn->role == SONDE_ROLE_SERVER);
	if (is_request && conn->state == CONN_MAYBE) {
		settle(skb, conn, seg);
		if (conn->state == CONN_IGNORED)
			return;
	}
	if (is_old(sk, seg))
		return;
	order.cookie = conn->cookie;
	order.flags = 0;
	if (!conn->announced)
		announce(skb, sk, conn, order.cookie);

	run = &conn->runs[seg->direction == SONDE_OUT];
	if (seg->length > 0)
		wanted = bytes_wanted(skb, conn, run, seg, is_request, &order.flags);
	if (wanted == 0 && !(seg->tcp_flags & (SONDE_TCP_PSH | SONDE_TCP_FIN)))
		return;
	load_tail(skb, seg, order.tail);
	if (wanted == 0) {
		on_progress(conn, seg, order.tail);
		return;
	}
	/* a head that the application has yet to read: socket.bpf.c reports when it does */
	if (seg->direction == SONDE_IN && !conn->unread) {
		conn->unread_seq = seg->seq;
		conn->unread = 1;
	}
	order.seg = *seg;
	order.type = is_request ? SONDE_REC_REQUEST_HEAD : SONDE_REC_RESPONSE_HEAD;
	order.captured = seg->length < wanted ? seg->length : wanted;
	/* counted as captured also when the ring is full: what was lost is counted, not sent twice */
	run->captured += order.captured;
	if (sonde_ends_with_empty_line(order.tail))
		run->head_complete = 1;
	order.flags |= take_waiting(conn, &order.before);
	emit_head(skb, &order);
}

static __always_inline int on_packet(struct __sk_buff *skb, __u8 direction)
{
	struct segment seg = {.direction = direction};
	struct bpf_sock *sk;

	if (parse_segment(skb, &seg))
		return PASS;
	sk = skb->sk;
	if (!sk)
		return PASS;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return PASS;
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
