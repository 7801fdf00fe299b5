/* The one ABI between the kernel programs and user space: every record of the ring buffer.
 *
 * A record is one of the structs below, each starting with sonde_header; `size` says how many bytes of
 * the reservation are meaningful (records are reserved in size classes, so the rest is stale).
 * No packing, explicit padding, little-endian as the machine: a recording carries SONDE_ABI_VERSION.
 */
#ifndef SONDE_EVENT_H
#define SONDE_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#ifdef __cplusplus
#define SONDE_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define SONDE_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

#define SONDE_ABI_VERSION 7

/* Largest number of payload bytes that one head record can carry: the largest size class. */
#define SONDE_CAPTURE_MAX 4096
/* Last payload bytes that every data record carries: enough for "\r\n0\r\n\r\n" (RFC 9112 §7.1). */
#define SONDE_TAIL_BYTES 8
/* A ClientHello with a post-quantum key share is about 1,800 bytes. */
#define SONDE_TLS_HELLO_MAX 2048
/* Most bytes that one HTTP/2 record carries; a piece with more of them makes several records. */
#define SONDE_HTTP2_CAPTURE_MAX 8192
#define SONDE_COMM_BYTES 16
#define SONDE_FILENAME_MAX 256

/* Largest number of bytes of one log write that a record carries: the largest size class. */
#define SONDE_LOG_MAX 16384

enum sonde_record_type {
	SONDE_REC_NONE = 0,
	SONDE_REC_CONN_OPEN = 1,     /* first HTTP bytes of a connection */
	SONDE_REC_CONN_CLOSE = 2,    /* the socket went to TCP_CLOSE */
	SONDE_REC_REQUEST_HEAD = 3,  /* first bytes of a run of request bytes */
	SONDE_REC_RESPONSE_HEAD = 4, /* first bytes of a run of response bytes */
	SONDE_REC_PROGRESS = 5,	     /* how far a body has come: its last segment that carried PSH or FIN */
	SONDE_REC_SOCKET_READ = 6,   /* the application read bytes of a request */
	SONDE_REC_PROC_EXEC = 7,
	SONDE_REC_PROC_EXIT = 8,
	SONDE_REC_PROC_INFO = 9,     /* recordings only: what user space knew of a process */
	SONDE_REC_TLS_HELLO = 10,    /* a ClientHello: first bytes of a TLS connection */
	SONDE_REC_HTTP2_FRAMES = 11, /* HTTP/2: frame headers and header blocks of one piece of a direction */
	SONDE_REC_LOG_WRITE = 12,    /* bytes that a process wrote to one of its logs */
	SONDE_REC_WEBSOCKET = 13,    /* what one direction of a WebSocket has carried so far */
	SONDE_REC_TYPES = 14,
};

enum sonde_role { SONDE_ROLE_UNKNOWN = 0, SONDE_ROLE_SERVER = 1, SONDE_ROLE_CLIENT = 2 };
enum sonde_direction { SONDE_IN = 0, SONDE_OUT = 1 };

/* TCP flags as they stand in the header's 14th byte (RFC 9293 §3.1). */
#define SONDE_TCP_FIN 0x01
#define SONDE_TCP_RST 0x04
#define SONDE_TCP_PSH 0x08

/* sonde_header.flags */
#define SONDE_FLAG_CONTINUED 0x0001 /* head record: continues the bytes of the run's earlier record */
#define SONDE_FLAG_NO_CPU 0x0002    /* cpu_ns could not be told (clock not running yet) */
#define SONDE_FLAG_NO_RUNQUEUE 0x0004
#define SONDE_FLAG_BEFORE_IN 0x0008    /* head record: `before` holds, and came in */
#define SONDE_FLAG_BEFORE_OUT 0x0010   /* head record: `before` holds, and went out */
#define SONDE_FLAG_MORE 0x0020	       /* head record: the segment's next bytes follow in another one */
#define SONDE_FLAG_EARLY 0x0040	       /* arrived behind a gap: bytes before it are still to come */
#define SONDE_FLAG_TLS 0x0080	       /* plaintext of a TLS connection: seq and ack count its bytes */
#define SONDE_FLAG_NO_ENDPOINTS 0x0100 /* the socket behind the plaintext could not be told for certain */
#define SONDE_FLAG_NO_ARRIVAL 0x0200   /* socket_read: when the bytes reached the socket could not be told */
#define SONDE_FLAG_HANDSHAKE 0x0400    /* socket_read: bytes of a TLS handshake; copied_seq means nothing */
#define SONDE_FLAG_HTTP2_START 0x0800  /* http2_frames: seq is the first HTTP/2 byte of this direction */
#define SONDE_FLAG_HTTP2_AHEAD 0x1000  /* http2_frames: bytes before seq have not come yet */
/* http2_frames, empty: from seq on it is not known where frames begin */
#define SONDE_FLAG_HTTP2_LOST 0x2000
#define SONDE_FLAG_FINAL 0x4000 /* websocket: the connection ends, no other record follows */

/*  0      2      4     6      8                16               24
 *  | type | size | cpu | flags | time_ns        | cookie         |            */
struct sonde_header {
	__u16 type;    /* enum sonde_record_type */
	__u16 size;    /* meaningful bytes, header included */
	__u16 cpu;     /* the CPU that emitted the record */
	__u16 flags;   /* SONDE_FLAG_* */
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 cookie;  /* socket cookie; 0 where no socket is concerned */
};

/* The clocks of one thread, taken on that thread. Both only ever grow. */
struct sonde_thread_clock {
	__u32 tgid; /* process id in the initial pid namespace; 0: not known */
	__u32 tid;
	__u64 cpu_ns;	   /* time on a core since the thread started */
	__u64 runqueue_ns; /* time ready to run without a core since the thread started */
};

/* sonde_passed.walk: what chunk_walk.h made of the segment */
#define SONDE_WALKED_BODY 1 /* it is part of what looks like a chunked body … */
#define SONDE_WALKED_END 2  /* … which ends with the segment's last byte */

/* The last segment of a run that carried PSH or FIN, or ended a chunked body. */
struct sonde_passed {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 seq;
	__u32 length;		     /* payload bytes */
	__u8 tail[SONDE_TAIL_BYTES]; /* the last of them, right-aligned, zeros before */
	__u32 walk_start;	     /* sequence number where the walk took a chunked body to begin */
	__u32 walk;		     /* SONDE_WALKED_* */
};

struct sonde_conn_open {
	struct sonde_header h;
	__u8 local[16]; /* network order; IPv4 in the first four bytes */
	__u8 remote[16];
	__u16 local_port; /* host order */
	__u16 remote_port;
	__u8 family; /* AF_INET, AF_INET6, or AF_UNIX: no address, no port */
	__u8 role;   /* enum sonde_role; unknown: TLS that was open before sonde looked */
	__u16 pad;
};

struct sonde_conn_close {
	struct sonde_header h;
	__u64 bytes_received;
	__u64 bytes_sent;
	__u32 rtt_us;	   /* smoothed */
	__u32 retransmits; /* segments, whole life */
	__s32 error;	   /* sk_err: 0, ECONNRESET, ETIMEDOUT, … */
	__u32 pad;
};

/* request_head and response_head: `length` payload bytes at `seq`, the first `captured` of them in data. */
struct sonde_head {
	struct sonde_header h;
	__u32 seq;
	__u32 length;
	__u16 captured;
	__u8 direction; /* enum sonde_direction */
	__u8 tcp_flags;
	__u32 ack; /* next sequence number of the other direction that the sender expects: pairs exactly */
	struct sonde_thread_clock thread; /* of the running thread; means something for SONDE_OUT only */
	__u8 tail[SONDE_TAIL_BYTES];	  /* the last bytes of the segment, right-aligned, zeros before */
	struct sonde_passed before;	  /* progress that waited for this record: SONDE_FLAG_BEFORE_* */
#ifndef __cplusplus			  /* C++ has no flexible arrays: the bytes follow the struct */
	__u8 data[];
#endif
};

struct sonde_progress {
	struct sonde_header h;
	struct sonde_passed passed;
	__u8 direction;
	__u8 tcp_flags;
	__u16 pad;
	__u32 pad2;
};

/* http2_frames: what the walk of bpf/shared/http2_walk.h took out of `length` bytes at `seq`: frame headers
 * and the payload bytes that are kept, in their order, `captured` of them. The state of the walk at `seq`
 * comes with each record, so that a lost one costs what it held and nothing else. */
struct sonde_http2_frames {
	struct sonde_header h;
	__u32 seq;
	__u32 length;
	__u32 ack;
	__u32 left; /* payload bytes at seq that belong to a frame whose header came before */
	__u32 keep; /* the first of them, that are kept */
	__u16 captured;
	__u8 direction; /* enum sonde_direction */
	__u8 tcp_flags;
	__u8 carry[8]; /* bytes of a frame header that came before, */
	__u8 carried;  /* so many of them, 0 … 8 */
	__u8 role;     /* enum sonde_role: plaintext of TLS may come before any conn_open, or without one */
	__u8 pad[2];
	__u32 pad2;
	struct sonde_thread_clock thread; /* of the running thread; means something for SONDE_OUT only */
#ifndef __cplusplus			  /* C++ has no flexible arrays: the bytes follow the struct */
	__u8 data[];
#endif
};

enum sonde_websocket_state {
	SONDE_WEBSOCKET_OFF = 0,
	SONDE_WEBSOCKET_HEADER = 1,
	SONDE_WEBSOCKET_KEY = 2,
	SONDE_WEBSOCKET_CODE = 3,
	SONDE_WEBSOCKET_PAYLOAD = 4,
	SONDE_WEBSOCKET_CLOSED = 5, /* a Close has passed: the counts are final */
	SONDE_WEBSOCKET_LOST = 6, /* it is not known any more where frames begin: the counts are too small */
};

/* websocket: totals since the upgrade, so that a lost record costs nothing once the next one has come. */
struct sonde_websocket {
	struct sonde_header h;
	__u64 messages;	 /* Text and Binary that have ended, with their fragments one each */
	__u64 bytes;	 /* their payload that has passed, as sent */
	__u64 closed_ns; /* CLOCK_MONOTONIC of the Close; 0: none has come */
	__u64 fin_ns;	 /* of the FIN; 0: none has come */
	__u32 controls;	 /* Ping, Pong and Close */
	__u16 code;	 /* of the Close; 1005: it has none; 0: none has come */
	__u8 direction;	 /* enum sonde_direction */
	__u8 state;	 /* enum sonde_websocket_state */
};

/* The application has now read everything before copied_seq. */
struct sonde_socket_read {
	struct sonde_header h;
	__u32 copied_seq;
	__u32 pad;
	struct sonde_thread_clock thread;
	__u64 strand; /* where a Go program keeps its goroutine; means nothing of any other program */
};

/* `length` payload bytes that begin with a ClientHello, the first `captured` of them in data. */
struct sonde_tls_hello {
	struct sonde_header h;
	__u32 length;
	__u16 captured;
	__u8 direction; /* enum sonde_direction: in at the server's socket, out at the client's */
	__u8 pad;
#ifndef __cplusplus /* C++ has no flexible arrays: the bytes follow the struct */
	__u8 data[];
#endif
};

/* Where a log write went */
enum sonde_log_kind {
	SONDE_LOG_FILE = 0,
	SONDE_LOG_PIPE = 1,
	SONDE_LOG_TERMINAL = 2,
	SONDE_LOG_SOCKET = 3, /* a Unix socket: systemd's journal */
	SONDE_LOG_KINDS = 4,
};

/* `length` bytes handed to a write call, the first `captured` of them in data. SONDE_FLAG_MORE: there were
 * more than that, in pieces that were not looked at. Taken at the entry of the call: it may still fail. */
struct sonde_log_write {
	struct sonde_header h;
	__u32 tgid;
	__u32 tid;
	__u32 fd;
	__u32 length;
	__u64 inode;  /* of a regular file, else 0 */
	__u64 offset; /* regular file: where the write is to begin; with other writers about, only nearly */
	__u64 strand; /* goroutine (address of its g); 0: the thread tells all there is */
	__u32 device; /* of a regular file, as the kernel keeps it: major << 20 | minor */
	__u16 captured;
	__u8 kind; /* enum sonde_log_kind */
	__u8 pad;
#ifndef __cplusplus /* C++ has no flexible arrays: the bytes follow the struct */
	__u8 data[];
#endif
};

struct sonde_proc_exec {
	struct sonde_header h;
	__u32 tgid;
	__u32 ppid;
	__u8 comm[SONDE_COMM_BYTES];
	__u16 filename_length;
	__u16 pad;
	__u32 pad2;
#ifndef __cplusplus /* C++ has no flexible arrays: the bytes follow the struct */
	__u8 filename[];
#endif
};

struct sonde_proc_exit {
	struct sonde_header h;
	__u32 tgid;
	__s32 exit_code; /* as wait(2) gives it */
};

/* Written by the recorder, never by the kernel: strings follow in the order of the lengths. */
struct sonde_proc_info {
	struct sonde_header h;
	__u32 tgid;
	__u16 comm_length;
	__u16 exe_length;
	__u16 program_length;
	__u16 unit_length;
	__u16 container_length;
	__u16 pad;
	__u64 start_time_ns; /* CLOCK_MONOTONIC, 0: not known */
#ifndef __cplusplus	     /* C++ has no flexible arrays: the bytes follow the struct */
	__u8 strings[];
#endif
};

SONDE_STATIC_ASSERT(sizeof(struct sonde_header) == 24, "header layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_thread_clock) == 24, "thread clock layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_conn_open) == 64, "conn_open layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_conn_close) == 56, "conn_close layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_head) == 104, "head layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_progress) == 64, "progress layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_socket_read) == 64, "socket_read layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_tls_hello) == 32, "tls_hello layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_http2_frames) == 88, "http2_frames layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_websocket) == 64, "websocket layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_log_write) == 72, "log_write layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_proc_exec) == 56, "proc_exec layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_proc_exit) == 32, "proc_exit layout");
SONDE_STATIC_ASSERT(sizeof(struct sonde_proc_info) == 48, "proc_info layout");

#endif
