/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Maps of the resource programs, and what they share. */
#ifndef SONDE_RESOURCE_BPF_H
#define SONDE_RESOURCE_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/queue_clock.bpf.h"
#include "bpf/shared/resource.h"

/* threads of an ending process that may still be on their way out: more than that is not walked */
#define EXIT_THREADS_MAX 256

/* Purpose: what task_struct does not tell of a process. Key: tgid. Writer: these programs, any CPU, by atomic
 * additions. Deleted by user space once the process has ended. Full: counted as processes_full. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SONDE_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct sonde_process_extra);
} processes SEC(".maps");

/* Purpose: final totals of ended processes. Writer: resource_exit. User space takes them out at each
 * interval. Full: counted as exits_lost, their usage added to `lost_usage`. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, SONDE_EXITS_MAX);
	__type(value, struct sonde_exit_sample);
} exits SEC(".maps");

/* Purpose: usage of ended processes that found no room in `exits`: totals stay whole. Per CPU, never full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sonde_usage);
} lost_usage SEC(".maps");

/* Purpose: victims of the OOM killer. Writer: resource_oom. Full: counted as oom_lost. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, SONDE_OOM_MAX);
	__type(value, struct sonde_oom_sample);
} oom_kills SEC(".maps");

/* Purpose: counters, key: enum sonde_resource_count. Per CPU, never full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SONDE_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} resource_counts SEC(".maps");

struct block_request {
	__u64 start_ns;
	__u32 tgid; /* 0: a kernel thread's, that is writeback */
	__u32 pad;
};

/* Purpose: block requests under way. Key: address of the request. Written and deleted by the block hooks.
 * Full: counted as requests_full, the request is not followed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SONDE_REQUESTS_MAX);
	__type(key, __u64);
	__type(value, struct block_request);
} requests SEC(".maps");

struct socket_owner {
	__u32 tgid;    /* 0: not known yet */
	__u32 waiting; /* closed by the peer, its totals wait for whoever lets go of it */
	__u64 round;   /* in which it was last counted among the open sockets */
};

/* Purpose: whose a socket is, once somebody has seen it. Freed by the kernel with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_owner);
} owners SEC(".maps");

static __always_inline void resource__count(__u32 index)
{
	__u64 *value = bpf_map_lookup_elem(&resource_counts, &index);

	if (value)
		(*value)++;
}

static const struct sonde_process_extra no_extra;

static __always_inline struct sonde_process_extra *resource__process(__u32 tgid)
{
	struct sonde_process_extra *extra = bpf_map_lookup_elem(&processes, &tgid);

	if (extra)
		return extra;
	bpf_map_update_elem(&processes, &tgid, &no_extra, BPF_NOEXIST);
	extra = bpf_map_lookup_elem(&processes, &tgid);
	if (!extra)
		resource__count(SONDE_COUNT_PROCESSES_FULL);
	return extra;
}

/* struct mm_struct until f1a7941243c1 (6.2): plain counters */
struct mm_rss_stat___before62 {
	atomic_long_t count[4];
};
struct mm_struct___before62 {
	struct mm_rss_stat___before62 rss_stat;
};

/* Pages of one kind (MM_*). The kernel sums what CPUs hold back now and then only: short by up to 32 pages
 * for each CPU that ran the process, more on large machines (percpu_counter_batch). */
static __always_inline __u64 resource__pages(const struct mm_struct *mm, __u32 kind)
{
	const struct mm_struct___before62 *old = (const void *)mm;
	__s64 pages = 0;

	if (bpf_core_field_exists(old->rss_stat.count))
		bpf_core_read(&pages, sizeof(pages), &old->rss_stat.count[kind].counter);
	else
		bpf_core_read(&pages, sizeof(pages), &mm->rss_stat[kind].count);
	return pages > 0 ? pages : 0;
}

static __always_inline void resource__add_runqueue(struct sonde_usage *usage, const struct task_struct *task)
{
	if (bpf_core_field_exists(task->sched_info.run_delay))
		usage->runqueue_ns += BPF_CORE_READ(task, sched_info.run_delay);
}

/* Adds what one thread has used, but for its time in the run queue: nothing keeps that of ended threads but
 * `processes`, which has it from the moment they end. */
static __always_inline void resource__add_thread(struct sonde_usage *usage, const struct task_struct *task)
{
	usage->cpu_ns += BPF_CORE_READ(task, se.sum_exec_runtime);
	usage->user_ns += BPF_CORE_READ(task, utime);
	usage->system_ns += BPF_CORE_READ(task, stime);
	usage->voluntary_switches += BPF_CORE_READ(task, nvcsw);
	usage->involuntary_switches += BPF_CORE_READ(task, nivcsw);
	usage->minor_faults += BPF_CORE_READ(task, min_flt);
	usage->major_faults += BPF_CORE_READ(task, maj_flt);
	if (bpf_core_field_exists(task->ioac.read_bytes)) {
		usage->read_bytes += BPF_CORE_READ(task, ioac.read_bytes);
		usage->written_bytes += BPF_CORE_READ(task, ioac.write_bytes);
		usage->cancelled_bytes += BPF_CORE_READ(task, ioac.cancelled_write_bytes);
	}
}

/* Adds what the process's threads that are no more have used. Their time in the run queue is in `processes`.
 */
static __always_inline void resource__add_ended(struct sonde_usage *usage, const struct signal_struct *signal)
{
	usage->cpu_ns += BPF_CORE_READ(signal, sum_sched_runtime);
	usage->user_ns += BPF_CORE_READ(signal, utime);
	usage->system_ns += BPF_CORE_READ(signal, stime);
	usage->voluntary_switches += BPF_CORE_READ(signal, nvcsw);
	usage->involuntary_switches += BPF_CORE_READ(signal, nivcsw);
	usage->minor_faults += BPF_CORE_READ(signal, min_flt);
	usage->major_faults += BPF_CORE_READ(signal, maj_flt);
	if (bpf_core_field_exists(signal->ioac.read_bytes)) {
		usage->read_bytes += BPF_CORE_READ(signal, ioac.read_bytes);
		usage->written_bytes += BPF_CORE_READ(signal, ioac.write_bytes);
		usage->cancelled_bytes += BPF_CORE_READ(signal, ioac.cancelled_write_bytes);
	}
}

/* Threads that are still listed have not been added to signal_struct yet (release_task() in the kernel). */
static __always_inline void resource__add_listed(struct sonde_usage *usage, struct signal_struct *signal)
{
	struct list_head *head = &signal->thread_head, *node = BPF_CORE_READ(signal, thread_head.next);
	int i;

	for (i = 0; i < EXIT_THREADS_MAX && node && node != head; i++) {
		resource__add_thread(usage,
				     (void *)node - bpf_core_field_offset(struct task_struct, thread_node));
		node = BPF_CORE_READ(node, next);
	}
}

/* What the running thread has used since the scheduler last looked: for a process of milliseconds it may be
 * all. */
static __always_inline void resource__add_slice(struct sonde_usage *usage, struct task_struct *task)
{
	const struct rq *rq = queue_clock__of(task);
	__u64 accounted_ns = task->se.sum_exec_runtime, now_ns;

	now_ns = rq ? queue_clock__cpu_ns(rq, task, bpf_ktime_get_ns()) : 0;
	if (now_ns > accounted_ns)
		usage->cpu_ns += now_ns - accounted_ns;
}

static __always_inline void resource__add_usage(struct sonde_usage *sum, const struct sonde_usage *more)
{
	sum->cpu_ns += more->cpu_ns;
	sum->user_ns += more->user_ns;
	sum->system_ns += more->system_ns;
	sum->runqueue_ns += more->runqueue_ns;
	sum->voluntary_switches += more->voluntary_switches;
	sum->involuntary_switches += more->involuntary_switches;
	sum->minor_faults += more->minor_faults;
	sum->major_faults += more->major_faults;
	sum->read_bytes += more->read_bytes;
	sum->written_bytes += more->written_bytes;
	sum->cancelled_bytes += more->cancelled_bytes;
}

#endif
