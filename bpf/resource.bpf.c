// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What processes use. Two iterators that user space runs at each interval read what the kernel counts anyway;
 * hooks stand only where something would else be gone by then: ends of processes, block requests, closed
 * sockets. None is on the path of a system call, a packet or a context switch. */
#include "bpf/resource.bpf.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#define PF_KTHREAD 0x00200000
#define SIGNAL_GROUP_EXIT 0x00000004
#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP_NUMBER 6
#define REQ_OP_MASK 0xff
/* nesting of memory cgroups that is looked at */
#define CGROUP_DEPTH_MAX 16

/* Set by user space before each run of the file iterator. */
volatile __u64 resource_round;

static __always_inline void add_tcp(struct sonde_tcp_usage *usage, const struct tcp_sock *tp)
{
	__sync_fetch_and_add(&usage->received_bytes, tp->bytes_received);
	__sync_fetch_and_add(&usage->sent_bytes, tp->bytes_sent - tp->bytes_retrans);
	__sync_fetch_and_add(&usage->received_packets, tp->segs_in);
	__sync_fetch_and_add(&usage->sent_packets, tp->segs_out);
	__sync_fetch_and_add(&usage->retransmits, tp->total_retrans);
}

SEC("iter/task")
int resource_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct sonde_task_sample sample = {};
	struct sonde_process_extra *extra;

	if (!task || (task->flags & PF_KTHREAD))
		return 0;
	/* it has ended: resource_exit has told its totals */
	if (task->signal->live.counter == 0)
		return 0;
	sample.tgid = task->tgid;
	sample.tid = task->pid;
	sample.start_ns = task->group_leader->start_boottime;
	sample.group = (__u64)task->cgroups;
	resource__add_thread(&sample.usage, task);
	if (sample.tgid == sample.tid || task->exit_state == 0) /* else resource_exit has seen it */
		resource__add_runqueue(&sample.usage, task);
	if (sample.tgid == sample.tid) {
		sample.ppid = task->real_parent->tgid;
		sample.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
		resource__add_ended(&sample.usage, task->signal);
		extra = bpf_map_lookup_elem(&processes, &sample.tgid);
		if (extra)
			sample.usage.runqueue_ns += extra->ended_runqueue_ns;
		if (task->mm) {
			sample.resident_pages[0] = resource__pages(task->mm, MM_ANONPAGES) +
						   resource__pages(task->mm, MM_SHMEMPAGES);
			sample.resident_pages[1] = resource__pages(task->mm, MM_FILEPAGES);
			sample.swap_pages = resource__pages(task->mm, MM_SWAPENTS);
		}
	}
	bpf_probe_read_kernel_str(sample.comm, sizeof(sample.comm), task->group_leader->comm);
	bpf_seq_write(ctx->meta->seq, &sample, sizeof(sample));
	return 0;
}

static __always_inline long tell_listener(struct seq_file *seq, struct sock *sk, __u32 tgid)
{
	struct sonde_listen_sample sample = {};

	sample.tgid = tgid;
	sample.port = sk->__sk_common.skc_num;
	sample.family = sk->__sk_common.skc_family;
	if (sample.family == AF_INET)
		__builtin_memcpy(sample.address, &sk->__sk_common.skc_rcv_saddr, 4);
	else
		bpf_probe_read_kernel(sample.address, sizeof(sample.address),
				      &sk->__sk_common.skc_v6_rcv_saddr);
	sample.backlog = sk->sk_ack_backlog;
	sample.max_backlog = sk->sk_max_ack_backlog;
	sample.drops = sk->sk_drops.counter;
	sample.net_namespace = sk->__sk_common.skc_net.net->ns.inum;
	sample.cookie = (__u64)sk;
	return bpf_seq_write(seq, &sample, sizeof(sample));
}

static __always_inline void start_round(struct sonde_process_extra *extra)
{
	__u32 i;

	extra->round = resource_round;
	__builtin_memset(&extra->open, 0, sizeof(extra->open));
	extra->descriptors = 0;
	extra->other_sockets = 0;
	extra->rtt_count = 0;
	extra->rtt_us = 0;
	for (i = 0; i < SONDE_TCP_STATES; i++)
		extra->tcp[i] = 0;
}

SEC("iter/task_file")
int resource_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sonde_process_extra *extra;
	struct file *file = ctx->file;
	struct socket_owner *owner;
	struct socket *socket;
	struct tcp_sock *tp;
	struct sock *sk;
	__u32 state;

	if (!task || !file)
		return 0;
	extra = resource__process(task->tgid);
	if (!extra)
		return 0;
	if (extra->round != resource_round)
		start_round(extra);
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : 0;
	if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6) ||
	    sk->sk_protocol != IPPROTO_TCP_NUMBER) {
		extra->descriptors++;
		if (sk)
			extra->other_sockets++;
		return 0;
	}
	/* several processes may hold one socket: the first one is its owner, so that nothing counts twice */
	owner = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner || owner->round == resource_round) {
		extra->descriptors++;
		return 0;
	}
	state = sk->__sk_common.skc_state;
	/* first: where the buffer is full, the kernel comes back to this file with an empty one */
	if (state == TCP_LISTEN && tell_listener(ctx->meta->seq, sk, task->tgid) != 0)
		return 0;
	extra->descriptors++;
	owner->round = resource_round;
	owner->tgid = task->tgid;
	if (state < SONDE_TCP_STATES)
		extra->tcp[state]++;
	tp = bpf_skc_to_tcp_sock(sk);
	/* closed: already in extra->closed, or never connected */
	if (!tp || state == TCP_LISTEN || state == TCP_CLOSE)
		return 0;
	add_tcp(&extra->open, tp);
	if (tp->srtt_us) {
		extra->rtt_count++;
		extra->rtt_us += tp->srtt_us >> 3; /* kept times eight */
	}
	return 0;
}

static __always_inline void add_closed(struct sock *sk, __u32 tgid)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct sonde_process_extra *extra = tp ? resource__process(tgid) : 0;

	if (extra)
		add_tcp(&extra->closed, tp);
}

static __always_inline void on_close(struct sock *sk, int before)
{
	struct socket_owner *owner = bpf_sk_storage_get(&owners, sk, 0, 0);

	if (before == TCP_SYN_SENT || before == TCP_SYN_RECV)
		return;
	if (owner && owner->tgid) {
		add_closed(sk, owner->tgid);
	} else if (sk->sk_err == 0 && (before == TCP_ESTABLISHED || before == TCP_CLOSE_WAIT)) {
		/* closed with unread data: not by the peer's reset and not by a time-out, which set sk_err */
		add_closed(sk, bpf_get_current_pid_tgid() >> 32);
	} else {
		owner = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (owner)
			owner->waiting = 1;
		else
			resource__count(SONDE_COUNT_SOCKETS_UNKNOWN);
	}
}

/* Whose a socket is shows when the application closes it: what follows happens on its own thread. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(resource_socket_end, struct sock *sk)
{
	struct socket_owner *owner = bpf_sk_storage_get(&owners, sk, 0, 0);

	if (owner && owner->waiting)
		add_closed(sk, bpf_get_current_pid_tgid() >> 32);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(resource_socket_state, struct sock *sk, int before, int after)
{
	struct socket_owner *owner;

	if ((after != TCP_CLOSE && after != TCP_FIN_WAIT1 && after != TCP_LAST_ACK) ||
	    sk->sk_protocol != IPPROTO_TCP_NUMBER || before == TCP_LISTEN)
		return 0;
	if (after == TCP_CLOSE) {
		on_close(sk, before);
		return 0;
	}
	owner = bpf_sk_storage_get(&owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (owner && owner->tgid == 0)
		owner->tgid = bpf_get_current_pid_tgid() >> 32;
	return 0;
}

static __always_inline void follow(struct request *request)
{
	struct block_request known = {};
	__u64 key = (__u64)request;
	struct task_struct *task;

	if ((request->cmd_flags & REQ_OP_MASK) > REQ_OP_WRITE)
		return; /* flushes and discards carry no data */
	if (bpf_map_lookup_elem(&requests, &key))
		return; /* inserted before it was issued */
	task = bpf_get_current_task_btf();
	known.start_ns = bpf_ktime_get_ns();
	known.tgid = task->flags & PF_KTHREAD ? 0 : task->tgid;
	if (bpf_map_update_elem(&requests, &key, &known, BPF_NOEXIST) != 0)
		resource__count(SONDE_COUNT_REQUESTS_FULL);
}

SEC("tp_btf/block_rq_insert")
int BPF_PROG(resource_block_insert, struct request *request)
{
	follow(request);
	return 0;
}

/* one argument since a54895fa057c (5.11) */
SEC("tp_btf/block_rq_issue")
int BPF_PROG(resource_block_issue, struct request *request)
{
	follow(request);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(resource_block_complete, struct request *request)
{
	struct sonde_process_extra *extra;
	struct block_request *known;
	__u64 key = (__u64)request, latency_ns;

	known = bpf_map_lookup_elem(&requests, &key);
	if (!known)
		return 0;
	latency_ns = bpf_ktime_get_ns() - known->start_ns;
	extra = resource__process(known->tgid);
	bpf_map_delete_elem(&requests, &key);
	if (!extra)
		return 0;
	if ((request->cmd_flags & REQ_OP_MASK) == REQ_OP_READ) {
		__sync_fetch_and_add(&extra->read_operations, 1);
		__sync_fetch_and_add(&extra->read_latency_ns, latency_ns);
	} else {
		__sync_fetch_and_add(&extra->write_operations, 1);
		__sync_fetch_and_add(&extra->write_latency_ns, latency_ns);
	}
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(resource_fork, struct task_struct *parent, struct task_struct *child)
{
	if (child->pid == child->tgid)
		resource__count(SONDE_COUNT_FORKS);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(resource_exec)
{
	resource__count(SONDE_COUNT_EXECS);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(resource_exit, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	struct sonde_exit_sample sample = {};
	struct sonde_process_extra *extra;
	struct sonde_usage *lost;
	__u32 key = 0;

	if (task->flags & PF_KTHREAD)
		return 0;
	sample.tgid = task->tgid;
	/* the process ends with its last thread; the leader alone may go before the others */
	if (signal->live.counter != 0) {
		extra = resource__process(sample.tgid);
		if (extra && sample.tgid != task->pid && bpf_core_field_exists(task->sched_info.run_delay))
			__sync_fetch_and_add(&extra->ended_runqueue_ns,
					     BPF_CORE_READ(task, sched_info.run_delay));
		return 0;
	}
	sample.ppid = task->real_parent->tgid;
	sample.exit_code = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : task->exit_code;
	sample.oom_killed = signal->oom_mm != 0;
	sample.start_ns = task->group_leader->start_boottime;
	sample.group = (__u64)task->cgroups;
	resource__add_ended(&sample.usage, signal);
	resource__add_listed(&sample.usage, signal);
	resource__add_slice(&sample.usage, task);
	resource__add_runqueue(&sample.usage, task);
	if (task->group_leader != task)
		resource__add_runqueue(&sample.usage, task->group_leader);
	extra = bpf_map_lookup_elem(&processes, &sample.tgid);
	if (extra)
		sample.usage.runqueue_ns += extra->ended_runqueue_ns;
	bpf_probe_read_kernel_str(sample.comm, sizeof(sample.comm), task->group_leader->comm);
	resource__count(SONDE_COUNT_EXITS);
	if (bpf_map_push_elem(&exits, &sample, 0) == 0)
		return 0;
	resource__count(SONDE_COUNT_EXITS_LOST);
	lost = bpf_map_lookup_elem(&lost_usage, &key);
	if (lost)
		resource__add_usage(lost, &sample.usage);
	return 0;
}

static __always_inline struct cgroup_subsys_state *memory_css(struct task_struct *task)
{
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return 0;
	return BPF_CORE_READ(task, cgroups,
			     subsys[bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id)]);
}

/* The smallest limit of the memory cgroup and those above it; 0: none. */
static __always_inline __u64 memory_limit_pages(struct cgroup_subsys_state *css)
{
	const __u64 none = 0x7fffffffffffffffULL / 4096; /* PAGE_COUNTER_MAX */
	struct page_counter *counter;
	__u64 smallest = none, max;
	int i;

	/* struct mem_cgroup starts with its css */
	counter = (void *)css + bpf_core_field_offset(struct mem_cgroup, memory);
	for (i = 0; i < CGROUP_DEPTH_MAX && counter; i++) {
		max = BPF_CORE_READ(counter, max);
		if (max < smallest)
			smallest = max;
		counter = BPF_CORE_READ(counter, parent);
	}
	return smallest == none ? 0 : smallest;
}

/* the task itself since 72ba14deb40a (6.9, and stable kernels); before, its number only, and this is not
 * loaded */
SEC("tp_btf/mark_victim")
int BPF_PROG(resource_oom, struct task_struct *task)
{
	struct sonde_oom_sample sample = {};
	struct cgroup_subsys_state *css;
	struct mm_struct *mm = task->mm;

	sample.tgid = task->tgid;
	sample.time_ns = bpf_ktime_get_ns();
	if (mm) {
		sample.anonymous_pages = resource__pages(mm, MM_ANONPAGES);
		sample.file_pages = resource__pages(mm, MM_FILEPAGES);
		sample.shared_pages = resource__pages(mm, MM_SHMEMPAGES);
		sample.swap_pages = resource__pages(mm, MM_SWAPENTS);
	}
	css = memory_css(task);
	if (css) {
		sample.limit_pages = memory_limit_pages(css);
		bpf_probe_read_kernel_str(sample.cgroup, sizeof(sample.cgroup),
					  BPF_CORE_READ(css, cgroup, kn, name));
	}
	bpf_probe_read_kernel_str(sample.comm, sizeof(sample.comm), task->group_leader->comm);
	resource__count(SONDE_COUNT_OOM_KILLS);
	if (bpf_map_push_elem(&oom_kills, &sample, 0) != 0)
		resource__count(SONDE_COUNT_OOM_LOST);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
