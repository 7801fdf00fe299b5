// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* packet.bpf.c for kernels before 5.17, with what their verifier accepts: see http_run__loop. */
#define SONDE_PLAIN 1
#include "bpf/packet.bpf.c"
