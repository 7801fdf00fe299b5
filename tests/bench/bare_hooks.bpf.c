// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What sonde's hooks cost with nothing in them, for comparison: a program for each packet both ways, one for
 * each receive, that return at once; or, with `records`, send what tells a request and its answer and know
 * nothing else. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define CAPTURED_MAX 256
#define HEADERS 52 /* IPv4 and TCP with timestamps, as on the loopback that is measured */

const volatile bool records;

struct packet_record {
	__u64 time_ns;
	__u64 cookie;
	__u8 data[CAPTURED_MAX];
};

struct read_record {
	__u64 time_ns;
	__u64 thread;
	__u64 socket;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} ring SEC(".maps");

static __always_inline int on_packet(struct __sk_buff *skb)
{
	struct packet_record *record;
	__u64 n;

	if (!records || skb->len <= HEADERS)
		return 1;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record)
		return 1;
	record->time_ns = bpf_ktime_get_ns();
	record->cookie = bpf_get_socket_cookie(skb);
	n = skb->len - HEADERS;
	if (n > CAPTURED_MAX)
		n = CAPTURED_MAX;
	if (n > 0)
		bpf_skb_load_bytes(skb, HEADERS, record->data, n);
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 1;
}

SEC("cgroup_skb/ingress")
int packet_in(struct __sk_buff *skb)
{
	return on_packet(skb);
}

SEC("cgroup_skb/egress")
int packet_out(struct __sk_buff *skb)
{
	return on_packet(skb);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(received, struct sock *sk, int ret, int flags)
{
	struct read_record *record;

	if (!records || ret <= 0)
		return 0;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record)
		return 0;
	record->time_ns = bpf_ktime_get_ns();
	record->thread = bpf_get_current_pid_tgid();
	record->socket = (__u64)sk;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
