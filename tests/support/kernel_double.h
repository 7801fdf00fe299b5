/* The kernel's code over payload (bpf/http_run.bpf.h), run on the host: segments in, records out. */
#ifndef SONDE_TEST_KERNEL_DOUBLE_H
#define SONDE_TEST_KERNEL_DOUBLE_H

#ifdef __VMLINUX_H__ /* which does not go together with the C library's headers */
typedef __u64 uint64_t;
typedef __u32 uint32_t;
typedef __u8 uint8_t;
#else
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct kernel_double_segment {
    const void* bytes;
    uint32_t length;
    uint32_t seq;
    uint32_t ack;
    uint8_t direction; /* enum sonde_direction */
    uint8_t tcp_flags;
};

/* One socket. record: called for each record that reaches the ring. progress_waits: as with the flush
 * iterator. */
struct kernel_double;
struct kernel_double* kernel_double_open(int progress_waits,
                                         void (*record)(void* context, const void* bytes, size_t size), void* context);
void kernel_double_free(struct kernel_double* kernel);

/* CLOCK_MONOTONIC of what follows. */
void kernel_double_set_time_ns(struct kernel_double* kernel, uint64_t now_ns);
void kernel_double_segment_arrives(struct kernel_double* kernel, const struct kernel_double_segment* segment);
/* What the iterator does. */
void kernel_double_flush(struct kernel_double* kernel);
/* The connection's end, but for its record. */
void kernel_double_close(struct kernel_double* kernel);

#ifdef __cplusplus
}
#endif
#endif
