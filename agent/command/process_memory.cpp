#include "agent/command/process_memory.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <span>

namespace sonde {

void use_little_memory() {
    ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
    ::mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

void release_startup_memory() {
    ::malloc_trim(0);
    ::dl_iterate_phdr(
        [](dl_phdr_info* object, std::size_t, void*) {
            const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
            for (const auto& part : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
                if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
                const auto begin = (object->dlpi_addr + part.p_vaddr) & ~(page - 1);
                const auto end = object->dlpi_addr + part.p_vaddr + part.p_memsz;
                ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // the vDSO refuses
            }
            return 0;
        },
        nullptr);
}

}  // namespace sonde
