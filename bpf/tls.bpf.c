// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Plaintext of TLS connections, where libraries take it in and give it out. User space decides where each
 * program goes (agent/probe/tls); here it becomes the same records as that of plain sockets.
 *
 *	enter ──► the call is noted in the thread ──► return ──► tie to a socket ──► bytes ──► http_run.bpf.h
 *
 * The tie: a TLS object gets its bytes from the socket that its thread has received from last, inside
 * the call (descriptor BIO) or just before it (memory BIO: asyncio, Node, gRPC). It is made once and
 * kept. A socket that another object has is taken from it only inside the call; otherwise the object
 * stands alone, and its endpoints are unobserved (docs/decisions/0007). */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/emit.bpf.h"

/* No handle: payload_offset is an address of the running process. Always null, of a type that global
 * functions accept. */
typedef const __u64 payload_source;

static __always_inline long payload__load(payload_source *from, __u64 offset, void *to, __u32 n)
{
	/* used: for an argument that is not, the compiler passes whatever the register holds */
	asm volatile("" : : "r"(from));
	return bpf_probe_read_user(to, n, (const void *)offset);
}

#include "bpf/http2.bpf.h"
#include "bpf/http_run.bpf.h"
#include "bpf/socket_read.bpf.h"

/* set in the made-up cookie of an object without a socket: socket cookies count up from 1 */
#define COOKIE_OF_OBJECT (1ULL << 63)

enum tls_op {
	TLS_NONE = 0,
	TLS_READ = 1,
	TLS_WRITE = 2,
	TLS_SENDFILE = 3,
	TLS_HANDSHAKE = 4,
	TLS_READ_EX = 5, /* returns 0 for any failure, not for the end alone */
};

static __always_inline struct tls_thread *this_thread(void)
{
	return bpf_task_storage_get(&tls_threads, bpf_get_current_task_btf(), 0,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline struct tls_key key_of(__u64 object)
{
	struct tls_key key = {.object = object, .tgid = bpf_get_current_pid_tgid() >> 32};

	return key;
}

static __always_inline int enter(__u32 op, __u64 object, __u64 buffer, __u64 length_ptr)
{
	struct tls_thread *thread = this_thread();

	if (!thread) {
		emit__lost_before_reserve(SONDE_REC_REQUEST_HEAD, SONDE_LOSS_MAP_FULL);
		return 0;
	}
	/* an exported function that calls another: the outer one's return finds the call done */
	if (thread->call.object == object && thread->call.op == op && thread->call.buffer == buffer)
		return 0;
	thread->call.object = object;
	thread->call.buffer = buffer;
	thread->call.length_ptr = length_ptr;
	thread->call.op = op;
	thread->call.received = 0;
	thread->call.entered_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline struct tls_session *session_of(const struct tls_key *key)
{
	struct tls_session *session = bpf_map_lookup_elem(&tls_sessions, key);
	static const struct tls_session fresh; /* zero: too large for the stack beside the rest */

	if (session)
		return session;
	bpf_map_update_elem(&tls_sessions, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tls_sessions, key);
}

/* The socket of this object, unless another object has it by now. */
static __always_inline struct tls_tie *tie_of(const struct tls_session *session, const struct tls_key *key)
{
	struct tls_tie *tie;

	if (!session->socket)
		return 0;
	tie = bpf_map_lookup_elem(&tls_ties, &session->socket);
	if (!tie || tie->owner.object != key->object || tie->owner.tgid != key->tgid)
		return 0;
	return tie;
}

/* What waits for a response now waits in vain; of a socket that is still open socket.bpf.c says it. */
static __always_inline void close_plaintext(struct tls_session *session, const struct tls_tie *tie)
{
	struct sonde_conn_close *close;

	websocket__end(&session->conn);
	if (session->conn.role == SONDE_ROLE_UNKNOWN || (tie && !tie->closed))
		return;
	close = emit__reserve(SONDE_REC_CONN_CLOSE, sizeof(*close), sizeof(*close), session->conn.cookie,
			      SONDE_FLAG_TLS);
	if (!close)
		return;
	__builtin_memset((void *)close + sizeof(close->h), 0, sizeof(*close) - sizeof(close->h));
	emit__submit(close);
}

static __noinline int forget(struct tls_session *session, const struct tls_key *key)
{
	struct tls_tie *tie = tie_of(session, key);

	close_plaintext(session, tie);
	if (tie)
		bpf_map_delete_elem(&tls_ties, &session->socket);
	return 0;
}

/* The address was used before, and its end was not seen. */
static __always_inline void restart(struct tls_session *session, const struct tls_key *key)
{
	forget(session, key);
	__builtin_memset(session, 0, sizeof(*session));
}

static __noinline int tie(struct tls_session *session, const struct tls_key *key, struct tls_thread *thread)
{
	struct tls_tie fresh = {.owner = *key,
				.taken_ns = thread->taken_ns,
				.last_ns = thread->taken_ns,
				.credit = thread->taken_bytes};
	__u64 cookie = thread->cookie;

	if (!cookie || cookie == session->socket)
		return 0;
	if (session->socket) {
		if (!thread->call.received)
			return 0;
		restart(session, key); /* it now reads another socket */
	}
	/* outside the call, only a receive that nothing has come of yet can have been this object's */
	if (session->conn.cookie || !(thread->call.received || thread->taken_ns))
		return 0;
	if (bpf_map_update_elem(&tls_ties, &cookie, &fresh, BPF_NOEXIST)) {
		struct tls_tie *taken = bpf_map_lookup_elem(&tls_ties, &cookie);

		/* inside the call there is no doubt: the owner's end was not seen */
		if (!taken || !thread->call.received)
			return 0;
		taken->owner = *key;
	}
	thread->taken_ns = 0;
	session->socket = cookie;
	session->conn.cookie = cookie;
	return 0;
}

/* Frames of HTTP/2, whose preface has gone by: the server spoke first, or the connection was open before
 * anybody looked. */
static __always_inline int open_http2(struct tls_session *session, const struct segment *seg,
				      const __u8 *bytes, __u32 n)
{
	struct conn *conn = &session->conn;
	int settings = seg->seq == 0 && seg->ack == 0 && sonde_http2_begins_with_settings(bytes, n);
	enum sonde_http2_block block = sonde_http2_begins_with_block(bytes, n, seg->length);
	int from_client = !settings && block == SONDE_HTTP2_REQUEST;

	if (!settings && block == SONDE_HTTP2_NO_BLOCK)
		return 0;
	conn->role = (seg->direction == SONDE_IN) == from_client ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
	if (settings)
		http2__begin(conn, 0, 0, 0);
	else
		http2__join(conn);
	return 1;
}

/* The first plaintext that looks like a request, or like HTTP/2, says which side this is. */
static __noinline int open_plaintext(struct tls_session *session, const struct segment *seg)
{
	struct conn *conn = &session->conn;
	struct sniffed sniffed = {};
	__u32 n = http_run__sniff(0, seg, &sniffed);
	int verdict = n ? http_run__verdict(&sniffed, n, 1) : SONDE_SNIFF_NO;

	if (verdict == SONDE_SNIFF_NO)
		return open_http2(session, seg, sniffed.bytes, n);
	conn->role = seg->direction == SONDE_IN ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
	conn->last_direction = !seg->direction;
	if (sonde_sniff_http2(sniffed.bytes, n))
		http2__begin(conn, seg->seq, seg->ack, 0);
	else
		conn->state = verdict == SONDE_SNIFF_YES ? CONN_HTTP1 : CONN_MAYBE;
	return 1;
}

/* When the bytes behind these n of plaintext reached the socket; 0: not observed. */
static __always_inline __u64 arrival_of(struct tls_session *session, const struct tls_key *key, __u32 n)
{
	struct tls_tie *tie = tie_of(session, key);
	__u64 arrival_ns;

	if (!tie)
		return 0;
	/* It asked for more, none came from this socket, and yet there is more. Not so where one receive is
	 * fed to a memory BIO in parts, and each is asked for (gRPC): then there is no more than was
	 * received. */
	if (tie->drained && n > tie->credit)
		session->contradicts++;
	if (session->contradicts)
		return 0;
	tie->credit -= n < tie->credit ? n : tie->credit;
	/* nothing taken since: it was taken together with what came out before */
	arrival_ns = tie->taken_ns ?: tie->last_ns;
	tie->taken_ns = 0;
	return arrival_ns;
}

/* One piece of HTTP/2 or WebSocket. Global: the verifier looks at the walk once, and not for every program
 * that comes here.
 */
HTTP_RUN_GLOBAL int tls_walk_frames(payload_source *from, struct conn *conn, const struct segment *seg)
{
	struct http2_start *start;

	if (!conn || !seg)
		return 0;
	start = &conn->http2_starts[seg->direction & 1];
	if (conn->state == CONN_HTTP2 && !conn->http2[seg->direction & 1].begun && start->is_known) {
		/* Where the server's SETTINGS came first, the preface is still to come; unless they were no
		 * beginning: the object may have been in use when its first call was seen. */
		if (start->left && seg->seq == start->seq) {
			struct sniffed sniffed = {};
			__u32 n = http_run__sniff(from, seg, &sniffed);

			if (!sonde_sniff_http2(sniffed.bytes, n)) {
				start->is_known = 0;
				start->missed = 1;
				start->left = 0;
			}
		}
		/* plaintext has no order to be put right: what did not come before will not come */
		if (!start->left)
			start->seq = seg->seq;
	}
	http2__walk(from, conn, seg);
	return 0;
}

static __always_inline int on_plaintext(struct tls_session *session, struct segment *seg)
{
	struct conn *conn = &session->conn;
	int is_request, turns, switches = 0;

	if (conn->role == SONDE_ROLE_UNKNOWN && !open_plaintext(session, seg))
		return 0;
	if (conn->state == CONN_IGNORED)
		return 0;
	is_request = (seg->direction == SONDE_IN) == (conn->role == SONDE_ROLE_SERVER);
	if (conn->state != CONN_HTTP2 && conn->state != CONN_WEBSOCKET) {
		turns = conn->last_direction != seg->direction;
		http_run__take(0, conn, seg, is_request);
		if (!is_request)
			switches = upgrade__may_be(0, conn, seg, turns);
	}
	if (switches || conn->state == CONN_HTTP2 || conn->state == CONN_WEBSOCKET)
		tls_walk_frames(0, conn, seg);
	if (!conn->unread)
		return 0;
	/* the application has it already: this is its thread */
	conn->unread = 0;
	socket_read__emit(conn, seg->seq + seg->length,
			  SONDE_FLAG_TLS | (seg->time_ns ? 0 : SONDE_FLAG_NO_ARRIVAL));
	return 0;
}

/* The object wants more bytes than its socket has given. */
static __always_inline void drained(struct tls_session *session, const struct tls_key *key)
{
	struct tls_tie *tie = tie_of(session, key);

	if (!tie)
		return;
	/* what was taken was no plaintext: handshake, tickets, a part of a record */
	tie->taken_ns = 0;
	tie->drained = 1;
}

/* A side has said that nothing follows (close_notify, RFC 8446 §6.1), which ends a response of unknown
 * length. */
static __always_inline void ended(struct tls_session *session, __u32 direction)
{
	struct sonde_passed passed = {.seq = session->bytes[direction & 1], .time_ns = bpf_ktime_get_ns()};
	__u32 answers = session->conn.role == SONDE_ROLE_CLIENT ? SONDE_IN : SONDE_OUT;

	if (session->conn.state == CONN_HTTP1 && direction == answers)
		progress__emit(session->conn.cookie, direction, SONDE_TCP_FIN, SONDE_FLAG_TLS, &passed);
}

/* n bytes of plaintext went through this object. */
static __always_inline int transferred(struct tls_session *session, const struct tls_key *key,
				       const struct tls_call *call, __u32 n)
{
	__u8 direction = call->op == TLS_READ || call->op == TLS_READ_EX ? SONDE_IN : SONDE_OUT;
	struct segment seg = {};

	if (!session->conn.cookie)
		session->conn.cookie =
		    COOKIE_OF_OBJECT | ((__u64)key->tgid << 40) | (call->object >> 4 & 0xFFFFFFFFFF);
	seg.payload_offset = call->buffer;
	seg.length = n;
	seg.direction = direction;
	seg.tcp_flags = SONDE_TCP_PSH; /* each call is a write of the application */
	seg.flags = SONDE_FLAG_TLS;
	seg.seq = session->bytes[direction == SONDE_OUT];
	seg.ack = session->bytes[direction == SONDE_IN];
	session->bytes[direction == SONDE_OUT] += n;
	/* a request goes out while the call runs; a response is out when it has returned */
	if (direction == SONDE_OUT && session->conn.role != SONDE_ROLE_SERVER)
		seg.time_ns = call->entered_ns;
	if (direction == SONDE_IN)
		seg.time_ns = arrival_of(session, key, n);
	if (session->contradicts)
		seg.flags |= SONDE_FLAG_NO_ENDPOINTS;
	if (call->op == TLS_SENDFILE) {
		session->conn.runs[1].next_seq = seg.seq + n;
		session->conn.runs[1].walk.state = SONDE_WALK_OFF;
		if (session->conn.state == CONN_HTTP1)
			http_run__progress(&session->conn, &seg, 0, 0);
		return 0;
	}
	on_plaintext(session, &seg);
	return 0;
}

static __always_inline int leave(long returned)
{
	struct tls_thread *thread = this_thread();
	struct tls_session *session;
	struct tls_call call;
	struct tls_key key;
	__u32 reads;
	__u64 n = 0;

	if (!thread || !thread->call.object)
		return 0;
	call = thread->call;
	thread->call.object = 0;
	thread->call.op = TLS_NONE;
	reads = call.op == TLS_READ || call.op == TLS_READ_EX;
	if (call.op != TLS_HANDSHAKE && returned > 0) {
		n = returned;
		if (call.length_ptr && bpf_probe_read_user(&n, sizeof(n), (void *)call.length_ptr)) {
			emit__lost_before_reserve(SONDE_REC_REQUEST_HEAD, SONDE_LOSS_READ_FAULT);
			return 0;
		}
	}
	if (n == 0 && !reads && call.op != TLS_HANDSHAKE)
		return 0;
	key = key_of(call.object);
	session = session_of(&key);
	if (!session) {
		emit__lost_before_reserve(SONDE_REC_REQUEST_HEAD, SONDE_LOSS_MAP_FULL);
		return 0;
	}
	tie(session, &key, thread);
	if (n > 0)
		transferred(session, &key, &call, n);
	/* SSL_read_ex fails with 0, gnutls_handshake succeeds with it */
	else if (returned < 0 || call.op == TLS_READ_EX)
		drained(session, &key);
	else if (call.op == TLS_READ)
		ended(session, SONDE_IN);
	return 0;
}

/* int SSL_read(SSL *, void *, int) and ssize_t gnutls_record_recv(session, void *, size_t) */
SEC("uprobe")
int BPF_KPROBE(tls_read, __u64 object, __u64 buffer)
{
	return enter(TLS_READ, object, buffer, 0);
}

/* int SSL_read_ex(SSL *, void *, size_t, size_t *) */
SEC("uprobe")
int BPF_KPROBE(tls_read_ex, __u64 object, __u64 buffer, __u64 size, __u64 length_ptr)
{
	return enter(TLS_READ_EX, object, buffer, length_ptr);
}

/* libssl's inner function behind both: the arguments of SSL_read_ex, the result of SSL_read */
SEC("uprobe")
int BPF_KPROBE(tls_read_inner, __u64 object, __u64 buffer, __u64 size, __u64 length_ptr)
{
	return enter(TLS_READ, object, buffer, length_ptr);
}

SEC("uprobe")
int BPF_KPROBE(tls_write, __u64 object, __u64 buffer)
{
	return enter(TLS_WRITE, object, buffer, 0);
}

SEC("uprobe")
int BPF_KPROBE(tls_write_ex, __u64 object, __u64 buffer, __u64 size, __u64 length_ptr)
{
	return enter(TLS_WRITE, object, buffer, length_ptr);
}

/* ossl_ssize_t SSL_sendfile(SSL *, int, off_t, size_t, int): kernel TLS; the bytes are never in user memory
 */
SEC("uprobe")
int BPF_KPROBE(tls_sendfile, __u64 object)
{
	return enter(TLS_SENDFILE, object, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(tls_handshake, __u64 object)
{
	return enter(TLS_HANDSHAKE, object, 0, 0);
}

/* both int and ssize_t: a success fits 31 bits, a failure of an int has rubbish above them */
SEC("uretprobe")
int BPF_KRETPROBE(tls_return, int returned)
{
	return leave(returned);
}

/* SSL_shutdown, gnutls_bye */
SEC("uprobe")
int BPF_KPROBE(tls_shutdown, __u64 object)
{
	struct tls_key key = key_of(object);
	struct tls_session *session = bpf_map_lookup_elem(&tls_sessions, &key);

	if (session)
		ended(session, SONDE_OUT);
	return 0;
}

/* SSL_free, gnutls_deinit */
SEC("uprobe")
int BPF_KPROBE(tls_free, __u64 object)
{
	struct tls_key key = key_of(object);
	struct tls_session *session = bpf_map_lookup_elem(&tls_sessions, &key);

	if (!session)
		return 0;
	forget(session, &key);
	bpf_map_delete_elem(&tls_sessions, &key);
	return 0;
}

#include "bpf/tls_go.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
