/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A running thread's CPU time from its run queue, without a hook in the scheduler
 * (docs/decisions/0009-clock-without-hook.md).
 *
 *   sum_exec_runtime          what the scheduler has accounted, up to exec_start
 *   exec_start … now          the slice since then; exec_start is in the run queue's task clock:
 *
 *   task clock = scheduler clock - (rq->clock - rq->clock_task)      less interrupts and steal
 *   scheduler clock = CLOCK_MONOTONIC - scheduler_offset             measured by user space
 */
#ifndef SONDE_QUEUE_CLOCK_BPF_H
#define SONDE_QUEUE_CLOCK_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Purpose: CLOCK_MONOTONIC less the scheduler's clock, in ns; 0: not measured yet. One entry.
 * Writer: user space (agent/probe/clock_calibration.hpp). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __s64);
} scheduler_offset SEC(".maps");

/* The run queue that `task` runs on, null where the kernel does not tell. Not by the symbol `runqueues`:
 * kernels without CONFIG_KALLSYMS_ALL do not give its address. Each task has a fair queue on its CPU,
 * whatever its class (set_task_rq() in the kernel, CONFIG_FAIR_GROUP_SCHED). */
static __always_inline const struct rq *queue_clock__of(const struct task_struct *task)
{
	const struct cfs_rq *fair = 0;

	if (!bpf_core_field_exists(task->se.cfs_rq) || !bpf_core_field_exists(fair->rq))
		return 0;
	fair = task->se.cfs_rq;
	return fair ? fair->rq : 0;
}

/* CPU time of `task`, which runs on the CPU of `rq`; 0: could not be told. */
static __always_inline __u64 queue_clock__cpu_ns(const struct rq *rq, const struct task_struct *task,
						 __u64 now_ns)
{
	__u64 start_ns, accounted_ns, task_clock_ns;
	__u32 key = 0;
	__s64 *offset_ns = bpf_map_lookup_elem(&scheduler_offset, &key);

	if (!offset_ns || *offset_ns == 0)
		return 0;
	/* a tick between the two loads would count its slice twice: the second look is after it */
	start_ns = *(volatile __u64 *)&task->se.exec_start;
	accounted_ns = *(volatile __u64 *)&task->se.sum_exec_runtime;
	if (start_ns != *(volatile __u64 *)&task->se.exec_start) {
		start_ns = *(volatile __u64 *)&task->se.exec_start;
		accounted_ns = *(volatile __u64 *)&task->se.sum_exec_runtime;
	}
	task_clock_ns = now_ns - *offset_ns - (rq->clock - rq->clock_task);
	/* the offset is known to a few microseconds: just after a switch the difference may be negative */
	return (__s64)(task_clock_ns - start_ns) > 0 ? accounted_ns + (task_clock_ns - start_ns)
						     : accounted_ns;
}

#endif
