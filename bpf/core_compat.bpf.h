/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Differences between kernels, each with the commit that made it. */
#ifndef SONDE_CORE_COMPAT_BPF_H
#define SONDE_CORE_COMPAT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* bpf_sock.dst_port: 32 bits wide until kernel commit 4421a582718a (5.18), which still allows the wide load.
 * The narrow load of today's type is refused before it. */
static __always_inline __u16 core_compat__remote_port(struct bpf_sock *sk)
{
	return bpf_ntohs((__u16) * (volatile __u32 *)&sk->dst_port);
}

#endif
