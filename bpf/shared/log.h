/* Which descriptors are logs, decided from what the kernel knows of the file; and what is counted of each
 * watched process. Plain C: compiles on the host, where it is tested. */
#ifndef SONDE_LOG_H
#define SONDE_LOG_H

#include "event.h"

/* Of open(2) and stat(2): uapi/asm-generic/fcntl.h, uapi/linux/stat.h, uapi/linux/major.h */
#define SONDE_O_ACCMODE 00000003
#define SONDE_O_WRONLY 00000001
#define SONDE_O_APPEND 00002000
#define SONDE_S_IFMT 00170000
#define SONDE_S_IFSOCK 0140000
#define SONDE_S_IFREG 0100000
#define SONDE_S_IFCHR 0020000
#define SONDE_S_IFIFO 0010000
#define SONDE_TTY_MAJOR 4 /* serial and virtual consoles; pseudo-terminals are 136 to 143 */
#define SONDE_TTYAUX_MAJOR 5
#define SONDE_PTS_MAJOR_FIRST 136
#define SONDE_PTS_MAJOR_LAST 143

/* Functions that write, numbers of log_watch.hits. */
enum sonde_log_call {
	SONDE_LOG_CALL_WRITE = 0,  /* write(2), as libc has it */
	SONDE_LOG_CALL_WRITEV = 1, /* writev(2) */
	SONDE_LOG_CALL_PWRITE = 2, /* pwrite64(2) */
	SONDE_LOG_CALL_GO = 3,	   /* syscall.write of Go programs */
	SONDE_LOG_CALLS = 4,
};

/* Value of the map log_watched, key: thread group id. Numbers of calls since the process is watched. */
struct sonde_log_watch {
	__u64 hits[SONDE_LOG_CALLS];  /* calls that were looked at */
	__u64 lines[SONDE_LOG_CALLS]; /* of them, those to a log */
};

/* What is known of the file behind a descriptor. */
struct sonde_log_file {
	__u32 mode;	   /* i_mode */
	__u32 flags;	   /* f_flags */
	__u32 rdev_major;  /* of a character device */
	__u32 unix_socket; /* a socket of AF_UNIX */
	__u32 name_end;	   /* the last four bytes of the name, little-endian; 0: shorter, or not asked for */
};

/* ".log", ".out", ".err" */
static inline int sonde_log_name(__u32 name_end)
{
	return name_end == 0x676f6c2e || name_end == 0x74756f2e || name_end == 0x7272652e;
}

/* The kind of log that descriptor `fd` is (enum sonde_log_kind), or -1: none.
 *
 *	fd 1, 2		regular file, pipe, terminal, Unix socket (the journal); not /dev/null: nobody wants
 *it read any		regular file, write-only, opened to append or named like a log */
static inline int sonde_log_kind_of(__u32 fd, const struct sonde_log_file *file)
{
	const int standard = fd == 1 || fd == 2;
	const int write_only = (file->flags & SONDE_O_ACCMODE) == SONDE_O_WRONLY;

	switch (file->mode & SONDE_S_IFMT) {
	case SONDE_S_IFREG:
		if (standard)
			return SONDE_LOG_FILE;
		/* a database appends to files that it also reads */
		if (write_only && ((file->flags & SONDE_O_APPEND) || sonde_log_name(file->name_end)))
			return SONDE_LOG_FILE;
		return -1;
	case SONDE_S_IFIFO:
		return standard ? SONDE_LOG_PIPE : -1;
	case SONDE_S_IFCHR:
		if (!standard)
			return -1;
		if (file->rdev_major == SONDE_TTY_MAJOR || file->rdev_major == SONDE_TTYAUX_MAJOR ||
		    (file->rdev_major >= SONDE_PTS_MAJOR_FIRST && file->rdev_major <= SONDE_PTS_MAJOR_LAST))
			return SONDE_LOG_TERMINAL;
		return -1;
	case SONDE_S_IFSOCK:
		return standard && file->unix_socket ? SONDE_LOG_SOCKET : -1;
	default:
		return -1;
	}
}

#endif
