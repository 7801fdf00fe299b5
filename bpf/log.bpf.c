// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What watched processes write to their logs, with the thread that wrote it.
 *
 * Uprobes on the functions through which a process writes, placed by user space in that process only: any
 * hook on system calls would tax every system call of the machine (docs/decisions/0012-log-writes.md).
 * Nothing is kept per descriptor: what the file is costs a few loads, and is never out of date. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/emit.bpf.h"
#include "bpf/go_registers.bpf.h"
#include "bpf/shared/log.h"

#define AF_UNIX 1
/* Pieces of a writev that are looked at: who writes a line in more is not known to exist. */
#define LOG_PIECES_MAX 8

/* Purpose: the processes whose writes are looked at. Key: thread group id. Writer and deletion: user space;
 * the counts: this file. Full: user space watches no more processes, and says so. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct sonde_log_watch);
} log_watched SEC(".maps");

/* The shape of iovec (POSIX) with addresses as numbers */
struct log_piece {
	__u64 base;
	__u64 length;
};

/* One write, as far as the registers and the file tell. */
struct log_call {
	__u32 fd;
	__u32 kind; /* enum sonde_log_kind */
	__u32 more; /* the call has pieces that were not looked at */
	__u32 device;
	__u64 length; /* of all pieces looked at */
	__u64 inode;
	__u64 offset;
	__u64 strand;
	struct file *file;
};

static __always_inline struct file *file_of(__u32 fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *table = task->files->fdt;
	struct file **slots;
	struct file *file = 0;

	if (fd >= table->max_fds)
		return 0;
	slots = table->fd;
	bpf_probe_read_kernel(&file, sizeof(file), slots + fd);
	return file;
}

/* The last four bytes of a file's name. */
static __always_inline __u32 name_end(struct dentry *dentry)
{
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	__u32 length = BPF_CORE_READ(dentry, d_name.len);
	__u32 end = 0;

	if (length >= sizeof(end))
		bpf_probe_read_kernel(&end, sizeof(end), name + length - sizeof(end));
	return end;
}

/* Is the descriptor a log? Fills in what the record says of it. */
static __always_inline int is_log(struct log_call *call)
{
	struct sonde_log_file about = {};
	struct file *file = file_of(call->fd);
	struct inode *inode;
	int kind;

	if (!file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	about.mode = BPF_CORE_READ(inode, i_mode);
	about.flags = BPF_CORE_READ(file, f_flags);
	switch (about.mode & SONDE_S_IFMT) {
	case SONDE_S_IFREG:
		if (!(about.flags & SONDE_O_APPEND))
			about.name_end = name_end(BPF_CORE_READ(file, f_path.dentry));
		break;
	case SONDE_S_IFCHR:
		about.rdev_major = BPF_CORE_READ(inode, i_rdev) >> 20;
		break;
	case SONDE_S_IFSOCK: {
		struct socket *socket = BPF_CORE_READ(file, private_data);

		about.unix_socket = BPF_CORE_READ(socket, sk, __sk_common.skc_family) == AF_UNIX;
		break;
	}
	}
	kind = sonde_log_kind_of(call->fd, &about);
	if (kind < 0)
		return 0;
	call->kind = kind;
	if (kind == SONDE_LOG_FILE) {
		call->inode = BPF_CORE_READ(inode, i_ino);
		call->device = BPF_CORE_READ(inode, i_sb, s_dev);
		call->offset =
		    about.flags & SONDE_O_APPEND ? BPF_CORE_READ(inode, i_size) : BPF_CORE_READ(file, f_pos);
	}
	return 1;
}

/* room: a constant, reserved behind the record. */
static __always_inline struct sonde_log_write *reserve(const struct log_call *call, const __u64 room)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct sonde_log_write *write;

	write = emit__reserve(SONDE_REC_LOG_WRITE, sizeof(*write) + room, sizeof(*write), 0,
			      call->more ? SONDE_FLAG_MORE : 0);
	if (!write)
		return 0;
	write->tgid = id >> 32;
	write->tid = (__u32)id;
	write->fd = call->fd;
	write->length = call->length > 0xffffffff ? 0xffffffff : call->length;
	write->inode = call->inode;
	write->offset = call->offset;
	write->strand = call->strand;
	write->device = call->device;
	write->kind = call->kind;
	write->pad = 0;
	return write;
}

static __always_inline void submit(struct sonde_log_write *write, __u64 captured)
{
	write->captured = captured;
	write->h.size = sizeof(*write) + captured;
	emit__submit(write);
}

/* The first `captured` bytes of a buffer, in a record of a size class. */
static __always_inline int send_bytes(const struct log_call *call, __u64 buffer, __u64 captured,
				      const __u64 room)
{
	struct sonde_log_write *write = reserve(call, room);

	if (!write)
		return 0;
	/* what the compiler knows of the bound by now the verifier does not */
	asm volatile("" : "+r"(captured));
	if (captured > room)
		captured = room;
	if (bpf_probe_read_user(write->data, captured, (const void *)buffer)) {
		emit__discard(write, SONDE_LOSS_READ_FAULT);
		return 0;
	}
	submit(write, captured);
	return 0;
}

static __always_inline __u64 wanted(const struct log_call *call)
{
	__u64 limit = sonde_cfg.log_bytes;

	if (limit > SONDE_LOG_MAX)
		limit = SONDE_LOG_MAX;
	return call->length < limit ? call->length : limit;
}

/* Counts the call; is it one to look at? */
static __always_inline struct sonde_log_watch *watched(__u32 number)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct sonde_log_watch *watch = bpf_map_lookup_elem(&log_watched, &tgid);

	if (watch)
		__sync_fetch_and_add(&watch->hits[number], 1);
	return watch;
}

static __always_inline int on_write(__u32 number, __u32 fd, __u64 buffer, __u64 length, __u64 strand)
{
	struct log_call call = {.fd = fd, .length = length, .strand = strand};
	struct sonde_log_watch *watch = watched(number);
	__u64 captured;

	if (!watch || length == 0 || !is_log(&call))
		return 0;
	__sync_fetch_and_add(&watch->lines[number], 1);
	captured = wanted(&call);
	if (captured <= 256)
		return send_bytes(&call, buffer, captured, 256);
	if (captured <= 1024)
		return send_bytes(&call, buffer, captured, 1024);
	if (captured <= 4096)
		return send_bytes(&call, buffer, captured, 4096);
	return send_bytes(&call, buffer, captured, SONDE_LOG_MAX);
}

/* As send_bytes, of several pieces. room: twice what is captured at most, a power of two: the verifier bounds
 * place and length apart. */
static __always_inline int send_pieces(const struct log_call *call, const struct log_piece *pieces,
				       __u64 captured, const __u64 room)
{
	struct sonde_log_write *write = reserve(call, room);
	__u64 limit = room / 2, taken = 0;

	if (!write)
		return 0;
	if (captured < limit)
		limit = captured;
	for (int i = 0; i < LOG_PIECES_MAX && taken < limit; i++) {
		__u64 n = pieces[i].length, at = taken;

		if (n > limit - taken)
			n = limit - taken;
		asm volatile("" : "+r"(n), "+r"(at));
		if (n > room / 2 || at > room / 2 - 1)
			break;
		if (n && bpf_probe_read_user(write->data + at, n, (const void *)pieces[i].base)) {
			emit__discard(write, SONDE_LOSS_READ_FAULT);
			return 0;
		}
		taken += n;
	}
	submit(write, taken);
	return 0;
}

SEC("uprobe")
int log_write(struct pt_regs *ctx)
{
	return on_write(SONDE_LOG_CALL_WRITE, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), 0);
}

SEC("uprobe")
int log_pwrite(struct pt_regs *ctx)
{
	return on_write(SONDE_LOG_CALL_PWRITE, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), 0);
}

SEC("uprobe")
int log_writev(struct pt_regs *ctx)
{
	struct log_piece pieces[LOG_PIECES_MAX] = {};
	struct log_call call = {.fd = PT_REGS_PARM1(ctx)};
	struct sonde_log_watch *watch = watched(SONDE_LOG_CALL_WRITEV);
	__u64 count = PT_REGS_PARM3(ctx);
	__u64 captured;

	if (!watch || !is_log(&call))
		return 0;
	if (count > LOG_PIECES_MAX) {
		call.more = 1;
		count = LOG_PIECES_MAX;
	}
	count *= sizeof(pieces[0]);
	asm volatile("" : "+r"(count));
	if (count > sizeof(pieces))
		return 0;
	if (bpf_probe_read_user(pieces, count, (const void *)PT_REGS_PARM2(ctx))) {
		emit__lost_before_reserve(SONDE_REC_LOG_WRITE, SONDE_LOSS_READ_FAULT);
		return 0;
	}
	for (int i = 0; i < LOG_PIECES_MAX; i++)
		call.length += pieces[i].length;
	if (call.length == 0)
		return 0;
	__sync_fetch_and_add(&watch->lines[SONDE_LOG_CALL_WRITEV], 1);
	captured = wanted(&call);
	if (captured <= 1024)
		return send_pieces(&call, pieces, captured, 2 * 1024);
	return send_pieces(&call, pieces, captured, 2 * SONDE_LOG_MAX);
}

/* syscall.write(fd int, p []byte). The probe sits on the jump of the stack check. */
SEC("uprobe")
int log_write_go(struct pt_regs *ctx)
{
	if (GO_BEGINS_ANEW(ctx))
		return 0;
	return on_write(SONDE_LOG_CALL_GO, GO_1(ctx), GO_2(ctx), GO_3(ctx), GO_GOROUTINE(ctx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
