// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* CPU clock of the running thread, and the life of processes. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/emit.bpf.h"
#include "bpf/thread_clock.bpf.h"

__s64 measured_offset_ns;

/* CLOCK_MONOTONIC less the scheduler's clock, now, on this CPU. Never attached: user space runs it
 * (BPF_PROG_TEST_RUN) just after a call that brought the run queue's clock up to date; what has passed since
 * makes the result too large by that much, so the smallest of a few is the best. */
SEC("raw_tp")
int task_clock_offset(void *ctx)
{
	const struct rq *rq;

	if (!sonde_cfg.queue_clock)
		return 0;
	rq = queue_clock__of(bpf_get_current_task_btf());
	if (rq)
		measured_offset_ns = bpf_ktime_get_ns() - rq->clock;
	return 0;
}

/* Attached only where the run queue does not tell the time: a hook in each context switch costs every program
 * on the machine (tests/bench/sched_overhead.py). The arguments before and after `next` differ between
 * kernels (fa2c3254d7cf, 5.18 added prev_state at the end). */
SEC("tp_btf/sched_switch")
int BPF_PROG(task_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 key = 0;
	struct cpu_thread *running = bpf_map_lookup_elem(&cpu_threads, &key);

	if (!running)
		return 0;
	running->tid = next->pid;
	if (running->tid == 0) {
		running->since_ns = 0; /* what runs on top of idle belongs to nobody */
		return 0;
	}
	running->has_runqueue = 0;
	running->tgid = next->tgid;
	running->task = (__u64)next;
	running->base_ns = next->se.sum_exec_runtime;
	running->since_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(task_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct sonde_proc_exec *exec;
	long n;

	exec = emit__reserve(SONDE_REC_PROC_EXEC, sizeof(*exec) + SONDE_FILENAME_MAX, sizeof(*exec), 0, 0);
	if (!exec)
		return 0;
	exec->tgid = task->tgid;
	exec->ppid = BPF_CORE_READ(task, real_parent, tgid);
	bpf_get_current_comm(exec->comm, sizeof(exec->comm));
	n = bpf_probe_read_kernel_str(exec->filename, SONDE_FILENAME_MAX, bprm->filename);
	if (n < 1 || n > SONDE_FILENAME_MAX)
		n = 1;
	exec->filename_length = n - 1; /* without the final NUL */
	exec->pad = 0;
	exec->pad2 = 0;
	exec->h.size = sizeof(*exec) + n - 1;
	emit__submit(exec);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(task_exit, struct task_struct *task)
{
	struct sonde_proc_exit *exit;

	/* the process ends with its last thread; the leader alone may go before the others */
	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0;
	exit = emit__reserve(SONDE_REC_PROC_EXIT, sizeof(*exit), sizeof(*exit), 0, 0);
	if (!exit)
		return 0;
	exit->tgid = task->tgid;
	exit->exit_code = task->exit_code;
	emit__submit(exit);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
