/* Stands for libbpf's header where kernel code is compiled for the host: the helpers are functions of
 * tests/support/kernel_double.c. */
#ifndef SONDE_TEST_BPF_HELPERS_H
#define SONDE_TEST_BPF_HELPERS_H

#include "vmlinux.h"

#define SEC(name)
#define barrier() __asm__ volatile("" ::: "memory")
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define __noinline __attribute__((noinline))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

void *bpf_map_lookup_elem(void *map, const void *key);
void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags);
void bpf_ringbuf_submit(void *record, __u64 flags);
void bpf_ringbuf_discard(void *record, __u64 flags);
long bpf_ringbuf_output(void *ring, void *record, __u64 size, __u64 flags);
__u64 bpf_ringbuf_query(void *ring, __u64 flags);
__u32 bpf_get_smp_processor_id(void);
__u64 bpf_ktime_get_ns(void);
__u64 bpf_get_current_task(void);
struct task_struct *bpf_get_current_task_btf(void);
long bpf_loop(__u32 steps, void *callback, void *context, __u64 flags);

#endif
