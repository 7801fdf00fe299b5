#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/result.hpp"
#include "agent/base/unique_fd.hpp"
#include "sinks/file/file_io.hpp"

namespace sonde {

struct EventFileOptions {
    mode_t file_mode = 0640;       // of files that are made, less the process's umask
    mode_t directory_mode = 0750;  // of directories that are made, less the process's umask
    std::optional<uid_t> owner;    // of files that are made; none: the process's
    std::optional<gid_t> group;    // of files that are made; none: the process's
    bool direct = true;            // past the page cache where the file system allows it
};

// A file that lines are appended to, locked and ready: it ends after a newline.
struct EventFile {
    // Holds the lock that refuses a second writer; it ends with this process.
    UniqueFd lock;
    // Opened anew, not duplicated: the kernel takes an io_uring down, with its registered files, some time after the
    // process has ended. A lock on the same open file would live as long, and refuse the agent that is started next.
    // What is still under way then must not land in the file of that next agent, though: `buffered` holds a second
    // lock, for which the next one waits.
    UniqueFd buffered;
    UniqueFd direct;              // none: not asked for, or the file system has no direct I/O
    std::uint64_t bytes = 0;      // size of the file
    std::uint64_t cut_bytes = 0;  // of a last line that was torn off, and removed
    std::int64_t modified_s = 0;  // before it was opened; seconds since 1970
    dev_t device = 0;
    ino_t inode = 0;
};

// Opens `path`, and makes it and its directories where they are missing; on failure it removes what it made.
// With `fresh`, a file that is there is emptied.
Result<EventFile> open_event_file(FileIo& io, const std::string& path, const EventFileOptions& options,
                                  bool fresh = false);

// Where the name of an open file leads to.
enum class FilePlace : unsigned char {
    here,     // to the file
    moved,    // elsewhere or nowhere; the file has another name
    removed,  // elsewhere or nowhere; the file has no name
    unknown,  // the directory cannot be read now
};
FilePlace find_place(FileIo& io, const std::string& path, const EventFile& file);

// Size of the file up to and with its last newline: what is whole of it. -errno.
std::int64_t whole_lines_bytes(FileIo& io, int fd);
// Cuts off what is behind the last newline. The size that is left, or -errno.
std::int64_t cut_torn_line(FileIo& io, int fd);

}  // namespace sonde
