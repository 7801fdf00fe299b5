#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "vmlinux.h"

typedef __u8 payload_source;
static long payload__load(payload_source* bytes, __u64 offset, void* to, __u32 n);

#include "bpf/http2.bpf.h"
#include "bpf/http_run.bpf.h"

#include "tests/support/kernel_double.h"

void* malloc(size_t size);
void* calloc(size_t n, size_t size);
void free(void* memory);

struct kernel_double {
    struct conn conn;
    int open;
    __u64 now_ns;
    void (*record)(void* context, const void* bytes, size_t size);
    void* context;
};

/* One at a time: the code under test knows its maps by name. */
static struct kernel_double* running;
static struct sonde_loss_counts counts;
static struct cpu_thread thread = {.tid = 8, .tgid = 7, .since_ns = 1, .has_runqueue = 1};
static struct http2_slot slot;
static __u32 payload_bytes;

static long payload__load(payload_source* bytes, __u64 offset, void* to, __u32 n) {
    if (offset + n > payload_bytes) return -1;
    __builtin_memcpy(to, bytes + offset, n);
    return 0;
}

void* bpf_map_lookup_elem(void* map, const void* key) {
    if (map == &loss_counts) return &counts;
    return map == &http2_slots ? (void*)&slot : (void*)&thread;
}

void* bpf_ringbuf_reserve(void* map, __u64 size, __u64 flags) { return malloc(size); }

void bpf_ringbuf_submit(void* record, __u64 flags) {
    running->record(running->context, record, ((struct sonde_header*)record)->size);
    free(record);
}

void bpf_ringbuf_discard(void* record, __u64 flags) { free(record); }

long bpf_ringbuf_output(void* map, void* record, __u64 size, __u64 flags) {
    running->record(running->context, record, size);
    return 0;
}

__u64 bpf_ringbuf_query(void* map, __u64 flags) { return 0; }
__u32 bpf_get_smp_processor_id(void) { return 0; }
__u64 bpf_ktime_get_ns(void) { return running->now_ns; }
__u64 bpf_get_current_task(void) { return 0; }
struct task_struct* bpf_get_current_task_btf(void) {
    return 0;
}

long bpf_loop(__u32 steps, void* callback, void* context, __u64 flags) {
    long (*step)(__u64 index, void* context) = callback;
    __u32 i;

    for (i = 0; i < steps; i++)
        if (step(i, context)) return i + 1;
    return i;
}

struct kernel_double* kernel_double_open(int progress_waits,
                                         void (*record)(void* context, const void* bytes, size_t size), void* context) {
    struct kernel_double* kernel = calloc(1, sizeof(*kernel));

    kernel->record = record;
    kernel->context = context;
    flush_runs = progress_waits;
    return kernel;
}

void kernel_double_free(struct kernel_double* kernel) { free(kernel); }
void kernel_double_set_time_ns(struct kernel_double* kernel, uint64_t now_ns) { kernel->now_ns = now_ns; }

/* As packet.bpf.c does. */
static int open_conn(struct kernel_double* kernel, payload_source* bytes, const struct segment* seg) {
    struct conn* conn = &kernel->conn;
    int verdict = http_run__segment_verdict(bytes, seg, 1);

    if (verdict == SONDE_SNIFF_NO) return 0;
    conn->role = seg->direction == SONDE_IN ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
    conn->last_direction = !seg->direction;
    conn->state = verdict == SONDE_SNIFF_YES ? CONN_HTTP1 : CONN_MAYBE;
    conn->cookie = 1;
    conn->announced = 1;
    return kernel->open = 1;
}

void kernel_double_segment_arrives(struct kernel_double* kernel, const struct kernel_double_segment* segment) {
    payload_source* bytes = (payload_source*)segment->bytes;
    struct segment seg = {.length = segment->length,
                          .seq = segment->seq,
                          .ack = segment->ack,
                          .tcp_flags = segment->tcp_flags,
                          .direction = segment->direction};
    struct conn* conn = &kernel->conn;
    int is_request, turns;

    running = kernel;
    payload_bytes = segment->length;
    if (!kernel->open && !open_conn(kernel, bytes, &seg)) return;
    if (conn->state == CONN_IGNORED) return;
    is_request = (seg.direction == SONDE_IN) == (conn->role == SONDE_ROLE_SERVER);
    turns = conn->last_direction != seg.direction;
    if (conn->state != CONN_HTTP2 && conn->state != CONN_WEBSOCKET) {
        http_run__take(bytes, conn, &seg, is_request);
        if (is_request || seg.length == 0 || !upgrade__may_be(bytes, conn, &seg, turns)) return;
    }
    http2__walk(bytes, conn, &seg);
}

void kernel_double_flush(struct kernel_double* kernel) {
    running = kernel;
    progress__flush(&kernel->conn, SONDE_IN);
    progress__flush(&kernel->conn, SONDE_OUT);
}

/* As socket.bpf.c does. */
void kernel_double_close(struct kernel_double* kernel) {
    kernel_double_flush(kernel);
    websocket__end(&kernel->conn);
}
