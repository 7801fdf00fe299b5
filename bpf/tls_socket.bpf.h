/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Sockets that carry TLS: when bytes arrive (packet.bpf.c), and which thread takes them (socket.bpf.c).
 *
 *	segment ──► tls_socket__arrived: arrival time of the first unread byte, in the socket's storage
 *	receive ──► tls_socket__received: moves that time to the tie, before there is one to the thread
 *	plaintext ► tls.bpf.c takes it from the tie: the plaintext began to arrive then
 */
#ifndef SONDE_TLS_SOCKET_BPF_H
#define SONDE_TLS_SOCKET_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/shared/tls_sniff.h"
#include "bpf/socket_read.bpf.h"
#include "bpf/websocket_record.bpf.h"

/* RFC 8446 §5.1. Libraries that do not read ahead fetch this much first: a new record starts there. */
#define TLS_RECORD_HEADER_BYTES 5

static __always_inline void tls_socket__arrived(struct conn *conn, __u32 seq, __u32 length, __u64 now)
{
	struct tls_arrival *arrival = &conn->tls;

	if (!conn->unread) {
		conn->unread_seq = seq;
		conn->unread = 1;
		arrival->first_ns = now;
	} else if (!sonde_seq_before(conn->unread_seq, arrival->end_seq)) {
		arrival->first_ns = now; /* all that came before has been read */
	}
	arrival->last_ns = now;
	arrival->last_seq = seq;
	arrival->end_seq = seq + length;
}

/* The running thread has read everything before copied_seq. */
static __always_inline void tls_socket__received(struct conn *conn, __u32 copied_seq)
{
	struct tls_arrival *arrival = &conn->tls;
	__u64 arrived_ns = arrival->first_ns;
	struct tls_thread *thread;
	struct tls_tie *tie;
	__u32 n;

	if (!conn->unread || !sonde_seq_before(conn->unread_seq, copied_seq))
		return; /* a peek */
	n = copied_seq - conn->unread_seq;
	conn->unread_seq = copied_seq;
	/* not rcv_nxt: a segment that has passed the packet hook may not be in the queue yet. What is left
	 * came with the last segment, unless it began before. */
	if (sonde_seq_before(copied_seq, arrival->end_seq) &&
	    !sonde_seq_before(copied_seq, arrival->last_seq))
		arrival->first_ns = arrival->last_ns;
	thread =
	    bpf_task_storage_get(&tls_threads, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread)
		return;
	tie = bpf_map_lookup_elem(&tls_ties, &conn->cookie);
	if (tie) {
		if (n == TLS_RECORD_HEADER_BYTES || !tie->taken_ns)
			tie->taken_ns = arrived_ns;
		tie->last_ns = arrived_ns;
		/* what was taken before and has not come out is part of one record at most */
		if (tie->drained && tie->credit > SONDE_TLS_RECORD_MAX)
			tie->credit = SONDE_TLS_RECORD_MAX;
		tie->credit += n;
		tie->drained = 0;
	}
	thread->taken_ns = tie ? 0 : arrived_ns;
	thread->taken_bytes = n;
	thread->cookie = conn->cookie;
	thread->call.received = 1;
	if (arrival->owned)
		return;
	arrival->owned = 1;
	conn->owner_tid = 0;
	socket_read__emit(conn, 0, SONDE_FLAG_HANDSHAKE);
}

static __always_inline void tls_socket__closed(const struct conn *conn)
{
	struct tls_tie *tie = bpf_map_lookup_elem(&tls_ties, &conn->cookie);
	struct tls_session *session;

	if (!tie)
		return;
	tie->closed = 1;
	session = bpf_map_lookup_elem(&tls_sessions, &tie->owner);
	if (session)
		websocket__end(&session->conn);
}

#endif
