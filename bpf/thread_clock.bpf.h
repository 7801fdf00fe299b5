/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The clocks of the running thread, from any program type. Where the kernel lets us, without a hook in the
 * scheduler (docs/decisions/0009-clock-without-hook.md); else from what task.bpf.c notes at each switch.
 */
#ifndef SONDE_THREAD_CLOCK_BPF_H
#define SONDE_THREAD_CLOCK_BPF_H

#include <bpf/bpf_core_read.h>

#include "bpf/maps.bpf.h"

/* The running thread's clocks from its run queue. False: the kernel does not show it, or the offset is not
 * known yet. */
static __always_inline int thread_clock__from_queue(struct sonde_thread_clock *clock, __u64 now_ns)
{
	const struct task_struct *task = bpf_get_current_task_btf();
	const struct rq *rq = queue_clock__of(task);

	/* what runs on top of idle belongs to nobody */
	if (!bpf_core_field_exists(task->sched_info.run_delay) || !rq || task->pid == 0)
		return 0;
	clock->tid = task->pid;
	clock->tgid = task->tgid;
	clock->cpu_ns = queue_clock__cpu_ns(rq, task, now_ns);
	/* the kernel's own account, which only grows while the thread waits: exact when it looks at itself */
	clock->runqueue_ns = task->sched_info.run_delay;
	return clock->cpu_ns != 0;
}

/* Fills `clock`; returns the SONDE_FLAG_NO_* of what could not be told. now_ns: CLOCK_MONOTONIC. */
static __always_inline __u32 thread_clock__read(struct sonde_thread_clock *clock, __u64 now_ns)
{
	struct cpu_thread *running;
	struct task_struct *task;
	__u32 key = 0, tid = 0, tgid = 0;
	__u64 run_delay = 0;

	if (sonde_cfg.queue_clock && thread_clock__from_queue(clock, now_ns))
		return 0;
	running = bpf_map_lookup_elem(&cpu_threads, &key);
	task = (struct task_struct *)bpf_get_current_task();
	/* Not every switch is traced (seen: a guest whose first process always switches out unseen), so what
	 * task.bpf.c noted last holds only for the task it was noted for. */
	if (running && running->since_ns && running->task != (__u64)task)
		running = 0;
	if (running && running->since_ns) {
		clock->tid = running->tid;
		clock->tgid = running->tgid;
		clock->cpu_ns = running->base_ns + (now_ns - running->since_ns);
		if (running->has_runqueue) {
			clock->runqueue_ns = running->runqueue_ns;
			return 0;
		}
	}
	/* The kernel's own account (CONFIG_SCHED_INFO): only grows while the thread waits for a core,
	 * so it is exact whenever the thread itself looks at it. */
	clock->runqueue_ns = 0;
	if (bpf_core_field_exists(task->sched_info.run_delay)) {
		bpf_core_read(&run_delay, sizeof(run_delay), &task->sched_info.run_delay);
		clock->runqueue_ns = run_delay;
	}
	if (running && running->since_ns) {
		running->runqueue_ns = run_delay;
		running->has_runqueue = bpf_core_field_exists(task->sched_info.run_delay);
		return running->has_runqueue ? 0 : SONDE_FLAG_NO_RUNQUEUE;
	}
	/* no switch to this thread was seen on this CPU */
	bpf_core_read(&tid, sizeof(tid), &task->pid);
	bpf_core_read(&tgid, sizeof(tgid), &task->tgid);
	clock->tid = tid;
	clock->tgid = tgid;
	clock->cpu_ns = 0;
	return SONDE_FLAG_NO_CPU |
	       (bpf_core_field_exists(task->sched_info.run_delay) ? 0 : SONDE_FLAG_NO_RUNQUEUE);
}

#endif
