#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "agent/base/result.hpp"
#include "agent/base/unique_fd.hpp"

namespace sonde {

// Number of bytes over the writer's life. appended = written + what is still held.
struct WriterStats {
    std::uint64_t appended_bytes = 0;  // accepted by append()
    std::uint64_t written_bytes = 0;   // taken by the kernel
    std::uint64_t rejected_bytes = 0;  // refused by append(): no room, because earlier bytes cannot be written
    std::uint64_t errors = 0;          // writes that failed (ENOSPC, EIO, …)
};

// Appends bytes to one file. One thread at a time.
//
// "appended": the bytes were copied into the writer. They are in the file after the next flush() that succeeds;
//             a crash of this process before it loses them.
// "flushed":  the kernel has all bytes appended before, in order and without a hole: they survive a crash of this
//             process, and every reader sees them. They are not on stable storage: a power cut may lose them.
//
// A write that fails loses nothing at once: its bytes are held and every flush() tries them again, so a disk that
// fills up and is cleared leaves a file without a gap. Meanwhile append() goes on until the buffers are full, then
// refuses whole appends. The destructor flushes; what cannot be written even then is lost, and the file ends where
// the unbroken part ends, possibly inside an append.
//
// The process must ignore SIGXFSZ where a file size limit is set. The file must not be opened with O_APPEND, which
// makes Linux ignore the offsets of writes.
class FileWriter {
public:
    static constexpr std::size_t buffer_bytes = 256 * 1024;  // a write this large amortises its system call

    virtual ~FileWriter() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;  // "io_uring", "pwrite"
    // Takes all of `bytes` (at most buffer_bytes) or none of them. An error says why none: the errno text of the
    // write that failed earlier.
    virtual Status append(std::span<const char> bytes) = 0;
    virtual Status flush() = 0;
    [[nodiscard]] virtual WriterStats stats() const = 0;
};

// Writes from `offset` on, through io_uring, or through pwrite where io_uring is forbidden or lacks memory.
std::unique_ptr<FileWriter> make_writer(UniqueFd fd, std::uint64_t offset);

}  // namespace sonde
