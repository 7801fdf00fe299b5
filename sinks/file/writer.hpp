#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "agent/base/result.hpp"
#include "agent/base/unique_fd.hpp"

namespace sonde {

// Appends bytes to one file. "Appended": copied into a buffer of the writer. "Flushed": handed to the kernel and
// acknowledged, so another process can read it; not necessarily on stable storage. One thread.
class FileWriter {
public:
    virtual ~FileWriter() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;
    // Fails with the error of an earlier write, when there was one; those bytes are lost and counted by the caller.
    virtual Status append(std::span<const char> bytes) = 0;
    virtual Status flush() = 0;
    [[nodiscard]] virtual std::uint64_t written_bytes() const = 0;
};

// io_uring where the kernel and the sandbox allow it, else pwrite. offset: where the file ends now.
std::unique_ptr<FileWriter> make_writer(UniqueFd file, std::uint64_t offset);

}  // namespace sonde
