/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Go's crypto/tls, part of tls.bpf.c. Three things are different there. Calls belong to goroutines, which
 * change threads while they wait: the call is kept by goroutine. A return probe would break the stack that
 * the runtime moves: probes sit on the return instructions. And a connection names its descriptor, so the tie
 * needs no neighbourhood: tls.Conn → net.TCPConn → netFD → Sysfd. */
#ifndef SONDE_TLS_GO_BPF_H
#define SONDE_TLS_GO_BPF_H

#include "bpf/go_registers.bpf.h"

/* A larger number is no descriptor: something else than a TCPConn is behind the interface. */
#define GO_FD_MAX (1 << 20)
#define GO_HANDSHAKE 1 /* tls_key.pad of go_calls */
#define GO_WRITE_MAX 0x7FFFFFFF

static __always_inline __u64 go__load(__u64 address)
{
	__u64 value = 0;

	if (!address || bpf_probe_read_user(&value, sizeof(value), (const void *)address))
		return 0;
	return value;
}

/* 0: the connection is wrapped in a type of which nothing is known, or its socket carried no TLS. */
static __noinline __u64 go__socket_cookie(__u64 connection)
{
	/* tls.Conn begins with the interface net.Conn: type, then data; both are one pointer */
	__u64 tcp_conn = go__load(connection + 8);
	__u64 net_fd = go__load(tcp_conn);
	/* netFD begins with poll.FD: fdMutex of 16 bytes, then Sysfd */
	__u64 fd = net_fd ? go__load(net_fd + 16) : GO_FD_MAX;
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table;
	struct socket *socket;
	struct file **files, *file;
	struct sock *sk;

	if (fd >= GO_FD_MAX)
		return 0;
	table = BPF_CORE_READ(task, files, fdt);
	if (fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	files = BPF_CORE_READ(table, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	/* of a socket, and only of one, the way back leads to the same file */
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

static __noinline int go__tie(struct tls_session *session, const struct tls_key *key)
{
	struct tls_thread *thread = this_thread();
	struct tls_tie fresh = {.owner = *key};
	__u64 cookie;

	if (session->conn.cookie)
		return 0;
	cookie = go__socket_cookie(key->object);
	/* the handshake may begin before the socket has received anything, and so has no cookie yet */
	if (thread && thread->cookie == cookie)
		fresh.last_ns = thread->taken_ns;
	if (!cookie || bpf_map_update_elem(&tls_ties, &cookie, &fresh, BPF_ANY))
		return 0;
	session->socket = cookie;
	session->conn.cookie = cookie;
	return 0;
}

static __always_inline int go__enter(struct pt_regs *ctx, __u32 op)
{
	struct tls_key goroutine = key_of(GO_GOROUTINE(ctx)), key = key_of(GO_1(ctx));
	struct tls_session *session = session_of(&key);
	struct tls_call call = {.object = GO_1(ctx), .buffer = GO_2(ctx), .op = op};

	goroutine.pad = op == TLS_HANDSHAKE ? GO_HANDSHAKE : 0;
	call.entered_ns = bpf_ktime_get_ns();
	if (!session)
		goto full;
	/* a connection begins; one that was here before may have been written to behind its Close */
	if (op == TLS_HANDSHAKE && session->conn.cookie)
		restart(session, &key);
	go__tie(session, &key);
	if (!bpf_map_update_elem(&go_calls, &goroutine, &call, BPF_ANY))
		return 0;
full:
	emit__lost_before_reserve(SONDE_REC_REQUEST_HEAD, SONDE_LOSS_MAP_FULL);
	return 0;
}

/* Takes the call of this goroutine; 0: its entry was not seen. */
static __always_inline int go__take_call(struct pt_regs *ctx, __u32 pad, struct tls_call *call)
{
	struct tls_key goroutine = key_of(GO_GOROUTINE(ctx));
	struct tls_call *found;

	goroutine.pad = pad;
	found = bpf_map_lookup_elem(&go_calls, &goroutine);
	if (!found)
		return 0;
	*call = *found;
	bpf_map_delete_elem(&go_calls, &goroutine);
	return 1;
}

/* func (c *Conn) Read(b []byte) (int, error) */
SEC("uprobe")
int go_read(struct pt_regs *ctx)
{
	return go__enter(ctx, TLS_READ);
}

/* func (c *Conn) Write(b []byte) (int, error)
 * Told when it begins: before it returns, another goroutine may have read what the peer says to it. Write
 * writes all, or the connection is broken. The probe sits on the jump to where the stack grows (user space
 * checks that): a call that takes it begins anew. */
SEC("uprobe")
int go_write(struct pt_regs *ctx)
{
	struct tls_call call = {.object = GO_1(ctx), .buffer = GO_2(ctx), .op = TLS_WRITE};
	struct tls_key key = key_of(GO_1(ctx));
	struct tls_session *session = session_of(&key);
	__u64 length = GO_3(ctx);

	if (GO_BEGINS_ANEW(ctx))
		return 0;
	call.entered_ns = bpf_ktime_get_ns();
	if (!session) {
		emit__lost_before_reserve(SONDE_REC_REQUEST_HEAD, SONDE_LOSS_MAP_FULL);
		return 0;
	}
	go__tie(session, &key);
	if (length > 0 && length <= GO_WRITE_MAX)
		transferred(session, &key, &call, length);
	return 0;
}

/* func (c *Conn) serverHandshake(ctx context.Context) error, and clientHandshake */
SEC("uprobe")
int go_handshake(struct pt_regs *ctx)
{
	return go__enter(ctx, TLS_HANDSHAKE);
}

/* each return instruction of Read */
SEC("uprobe")
int go_return(struct pt_regs *ctx)
{
	struct tls_session *session;
	struct tls_call call;
	struct tls_key key;
	__s64 n = GO_1(ctx);

	if (!go__take_call(ctx, 0, &call) || n <= 0)
		return 0;
	key = key_of(call.object);
	session = bpf_map_lookup_elem(&tls_sessions, &key);
	if (session)
		transferred(session, &key, &call, n);
	return 0;
}

/* What was taken so far was the handshake; a request that came with its end has arrived with the last of it.
 */
SEC("uprobe")
int go_handshake_return(struct pt_regs *ctx)
{
	struct tls_session *session;
	struct tls_call call;
	struct tls_tie *tie;
	struct tls_key key;

	if (!go__take_call(ctx, GO_HANDSHAKE, &call))
		return 0;
	key = key_of(call.object);
	session = bpf_map_lookup_elem(&tls_sessions, &key);
	if (!session)
		return 0;
	go__tie(session, &key);
	tie = tie_of(session, &key);
	if (tie)
		tie->taken_ns = 0;
	return 0;
}

/* func (c *Conn) Close() error */
SEC("uprobe")
int go_close(struct pt_regs *ctx)
{
	struct tls_key key = key_of(GO_1(ctx));
	struct tls_session *session = bpf_map_lookup_elem(&tls_sessions, &key);

	if (!session)
		return 0;
	ended(session, SONDE_OUT);
	forget(session, &key);
	bpf_map_delete_elem(&tls_sessions, &key);
	return 0;
}

#endif
