/* The loss matrix: record type × reason. The kernel counts per CPU at the one place that emits records;
 * user space adds its own reasons. `seen = delivered + Σ lost` holds for every type
 * (docs/loss_accounting.md). */
#ifndef SONDE_LOSS_H
#define SONDE_LOSS_H

#include "event.h"

enum sonde_loss_reason {
	/* kernel */
	SONDE_LOSS_RING_FULL =
	    0,			 /* the ring had no room: user space was too slow, or the ring is too small */
	SONDE_LOSS_MAP_FULL = 1, /* no memory for the connection's state */
	SONDE_LOSS_READ_FAULT = 2, /* the bytes could not be read */
	/* user space */
	SONDE_LOSS_DECODE_INVALID = 3, /* the record did not have the layout of its type */
	SONDE_LOSS_REASONS = 4,
};

/* Value of the per-CPU map `loss_counts`, key: enum sonde_record_type. */
struct sonde_loss_counts {
	__u64 seen; /* number of records that were to be emitted */
	__u64 lost[SONDE_LOSS_REASONS];
};

#endif
