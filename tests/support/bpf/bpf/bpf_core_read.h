/* Stands for libbpf's header where kernel code is compiled for the host: there is no task to read. */
#ifndef SONDE_TEST_BPF_CORE_READ_H
#define SONDE_TEST_BPF_CORE_READ_H

#define bpf_core_field_exists(field) 0
#define bpf_core_read(to, size, from) ((void)(to), (void)(size), (void)(from))

#endif
