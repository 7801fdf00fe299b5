/* What the resource programs (bpf/resource.bpf.c) tell user space: the records of the two iterators, the
 * values of their maps. Explicit padding, machine's byte order; nothing of it is ever stored, so it carries
 * no version. All times in nanoseconds, all sizes in bytes unless the name says otherwise. */
#ifndef SONDE_RESOURCE_H
#define SONDE_RESOURCE_H

#include "event.h"

/* What a thread, or a whole process, has used since it started. All only grow. */
struct sonde_usage {
	__u64 cpu_ns;  /* sum_exec_runtime: exact */
	__u64 user_ns; /* sampled by the tick on most kernels: only the ratio to system_ns means something */
	__u64 system_ns;
	__u64 runqueue_ns; /* ready to run, without a core */
	__u64 voluntary_switches;
	__u64 involuntary_switches;
	__u64 minor_faults;
	__u64 major_faults;
	__u64 read_bytes;      /* fetched from block devices */
	__u64 written_bytes;   /* page cache bytes made dirty, direct writes */
	__u64 cancelled_bytes; /* of written_bytes: deleted or truncated before they reached a device */
};

/* One thread, from the iterator over tasks. The leader's record also carries what the process's ended threads
 * used, and what belongs to the process as a whole. Kernel threads are left out. */
struct sonde_task_sample {
	__u32 tgid;
	__u32 tid;
	__u32 ppid;
	__u32 pad;
	__u64 start_ns; /* of the process: CLOCK_BOOTTIME */
	__u64
	    group; /* which set of cgroups it is in: an opaque key, the same for tasks in the same cgroups */
	__u64 cgroup_id;	 /* in cgroup v2 */
	__u64 resident_pages[2]; /* anonymous and shared memory; files; leader only */
	__u64 swap_pages;
	struct sonde_usage usage;
	__u8 comm[SONDE_COMM_BYTES]; /* of the leader */
};

/* A process has ended. */
struct sonde_exit_sample {
	__u32 tgid;
	__u32 ppid;
	__s32 exit_code; /* as wait(2) gives it */
	__u32 oom_killed;
	__u64 start_ns;
	__u64 group;
	struct sonde_usage usage;
	__u8 comm[SONDE_COMM_BYTES];
};

/* A container id with what engines put around it fits. */
#define SONDE_CGROUP_BYTES 96

/* The kernel has chosen a victim. */
struct sonde_oom_sample {
	__u32 tgid;
	__u32 pad;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 anonymous_pages;
	__u64 file_pages;
	__u64 shared_pages;
	__u64 swap_pages;
	__u64 limit_pages; /* smallest memory limit of the victim's cgroups; 0: none */
	__u8 comm[SONDE_COMM_BYTES];
	__u8 cgroup[SONDE_CGROUP_BYTES]; /* name of the victim's memory cgroup, the last part of its path */
};

/* TCP traffic. Of a socket since it was opened, or summed over sockets. */
struct sonde_tcp_usage {
	__u64 received_bytes;
	__u64 sent_bytes; /* each byte once, however often it was sent again */
	__u64 received_packets;
	__u64 sent_packets;
	__u64 retransmits; /* segments */
};

#define SONDE_TCP_STATES 13 /* indexed by the kernel's TCP_* numbers: include/net/tcp_states.h */

/* Value of `processes`, key: tgid. What no field of task_struct tells. */
struct sonde_process_extra {
	/* written as things happen, only grow */
	struct sonde_tcp_usage closed; /* of its sockets that are closed */
	__u64 read_operations;
	__u64 write_operations;
	__u64 read_latency_ns; /* sums, from the request's way to the device to its completion */
	__u64 write_latency_ns;
	__u64 ended_runqueue_ns; /* of its threads that have ended */
	/* written by the iterator over files; means something where `round` is the one that was asked for */
	__u64 round;
	struct sonde_tcp_usage open;
	__u32 descriptors;
	__u32 other_sockets;	     /* not TCP */
	__u32 tcp[SONDE_TCP_STATES]; /* number of its TCP sockets by state */
	__u32 rtt_count;	     /* sockets with a measured round-trip time */
	__u64 rtt_us;		     /* sum of their smoothed round-trip times */
};

/* One listening TCP socket, from the iterator over files. */
struct sonde_listen_sample {
	__u32 tgid; /* the first process that holds it: forked workers share their parent's socket */
	__u16 port; /* host order */
	__u16 family;
	__u8 address[16]; /* network order; IPv4 in the first four bytes */
	__u32 backlog;	  /* connections that wait to be accepted */
	__u32 max_backlog;
	__u32 drops; /* connection attempts dropped since it listens; 32 bits, may wrap */
	__u32 net_namespace;
	__u64 cookie; /* unique while it lives */
};

/* Indexes of the per-CPU array `resource_counts`. */
enum sonde_resource_count {
	SONDE_COUNT_FORKS = 0, /* processes, not threads */
	SONDE_COUNT_EXECS = 1,
	SONDE_COUNT_EXITS = 2,
	SONDE_COUNT_EXITS_LOST = 3, /* the queue was full; their usage is in `lost_usage` */
	SONDE_COUNT_PROCESSES_FULL =
	    4, /* something was to be added to a process for which there was no room */
	SONDE_COUNT_REQUESTS_FULL = 5, /* block requests not followed: no room */
	SONDE_COUNT_OOM_KILLS = 6,
	SONDE_COUNT_OOM_LOST = 7,
	SONDE_COUNT_SOCKETS_UNKNOWN = 8, /* no memory to remember whose a closed socket was */
	SONDE_COUNTS = 9,
};

/* Map sizes; user space relies on them for its own bounds. */
#define SONDE_PROCESSES_MAX 16384
#define SONDE_EXITS_MAX 8192
#define SONDE_OOM_MAX 64
#define SONDE_REQUESTS_MAX 8192

SONDE_STATIC_ASSERT(sizeof(struct sonde_usage) == 88, "usage layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_task_sample) == 168, "task sample layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_exit_sample) == 136, "exit sample layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_oom_sample) == 168, "oom sample layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_tcp_usage) == 40, "tcp usage layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_process_extra) == 200, "process extra layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_listen_sample) == 48, "listen sample layout");

#endif
