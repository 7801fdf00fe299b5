// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What most tracers of HTTP do, for comparison: each call that moves bytes is remembered at its entry and
 * copied at its exit, 256 bytes of it, whatever it was made on. Records wake nobody: the reader comes every
 * ten milliseconds. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define CAPTURED_MAX 256

struct record {
	__u64 time_ns;
	__u64 thread;
	__s64 call;
	__s64 result;
	__u8 data[CAPTURED_MAX];
};

/* Address of the first byte that a thread's call is about; gone at its exit. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} records SEC(".maps");

__u64 lost; /* number of records that found no room; races between cores may lose a count */

static __always_inline int remember(__u64 address)
{
	__u64 thread = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&calls, &thread, &address, BPF_ANY);
	return 0;
}

static __always_inline int remember_vector(__u64 vector)
{
	struct iovec first = {};

	bpf_probe_read_user(&first, sizeof(first), (void *)vector);
	return remember((__u64)first.iov_base);
}

/* read(int, void *, size_t), and all that have the buffer in the same place */
SEC("tracepoint")
int enter_buffer(struct trace_event_raw_sys_enter *call)
{
	return remember(call->args[1]);
}

/* readv(int, const struct iovec *, int) */
SEC("tracepoint")
int enter_vector(struct trace_event_raw_sys_enter *call)
{
	return remember_vector(call->args[1]);
}

/* recvmsg(int, struct msghdr *, int) */
SEC("tracepoint")
int enter_message(struct trace_event_raw_sys_enter *call)
{
	struct user_msghdr message = {};

	bpf_probe_read_user(&message, sizeof(message), (void *)call->args[1]);
	return remember_vector((__u64)message.msg_iov);
}

SEC("tracepoint")
int leave(struct trace_event_raw_sys_exit *call)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 *found = bpf_map_lookup_elem(&calls, &thread);
	__u64 address, size;
	struct record *record;

	if (!found)
		return 0;
	address = *found;
	bpf_map_delete_elem(&calls, &thread);
	if (call->ret <= 0)
		return 0;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		lost++;
		return 0;
	}
	record->time_ns = bpf_ktime_get_ns();
	record->thread = thread;
	record->call = call->id;
	record->result = call->ret;
	size = call->ret;
	if (size > CAPTURED_MAX)
		size = CAPTURED_MAX;
	bpf_probe_read_user(record->data, size, (void *)address);
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
