/* What user space tells the kernel programs before they load (one `const volatile` struct). */
#ifndef SONDE_CONFIG_H
#define SONDE_CONFIG_H

#include "event.h"

struct sonde_config {
	__u32 capture_bytes; /* payload bytes captured per head, 64 … SONDE_CAPTURE_MAX */
	__u32 wake_bytes;    /* unread bytes in the ring above which the consumer is woken at once */
	__u32 self_tgid;     /* the agent itself: its sockets are not read for it */
	__u32
	    queue_clock; /* 1: programs may read the run queue's clock (bpf_get_current_task_btf is there) */
	__u32 log_bytes; /* bytes captured per log write, 64 … SONDE_LOG_MAX */
};

#endif
