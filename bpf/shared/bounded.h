/* A number of bytes as every kernel's verifier believes it. Plain C, shared by the kernel programs and the
 * host tests. */
#ifndef SONDE_BOUNDED_H
#define SONDE_BOUNDED_H

#include "event.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* n, of which the caller knows that it is 1 … max, a power of two. What a comparison tells of a value does
 * not follow a copy of it to another register or to the stack before 6.2; what arithmetic tells does. The asm
 * keeps the compiler from leaving out an `and` that changes nothing. */
static __always_inline __u32 sonde_bounded(__u64 n, __u64 max)
{
	__u64 beyond_first = n - 1;

	asm volatile("" : "+r"(beyond_first));
	return (__u32)((beyond_first & (max - 1)) + 1);
}

#endif
