#pragma once

#include <cstdint>
#include <string>

#include "agent/base/result.hpp"
#include "sinks/file/event_file.hpp"
#include "sinks/file/rotation.hpp"

namespace sonde {

// When what is written becomes durable (FileWriter says what both words mean).
enum class FsyncPolicy : unsigned char {
    never,     // when the kernel likes; a power cut may lose half a minute
    interval,  // every fsync_interval_ms, while lines go on being written
    batch,     // flush() returns when it is: a delivered batch is durable
};

// The defaults need no thought on a laptop: bounded disk, whole lines after any crash of the agent.
struct FileSinkOptions {
    std::string name = "file";          // of the sink; several sinks have several
    std::string directory;              // made where it is missing
    std::string stem = "transactions";  // the current file is <stem>.jsonl, rotated ones <stem>-<time>.jsonl

    FsyncPolicy fsync = FsyncPolicy::never;
    std::uint32_t fsync_interval_ms = 1000;        // 10 … 3,600,000
    std::uint64_t preallocate_bytes = 32U << 20U;  // reserved ahead under load, given back at close; 0: never

    std::uint64_t rotate_bytes = 256U << 20U;  // size at which a file is rotated; 0: not by size, else from 64 KiB on
    std::uint32_t rotate_interval_s = 0;       // at multiples of it since 1970 UTC (3600: each hour); 0: not by time
    RetentionOptions retention;
    Compression compression = Compression::zstd;
    int compression_level = 3;  // zstd 1 … 19, gzip 1 … 9

    // In the processor's and the disk's idle time only; false where a machine has none and the copies matter.
    bool compress_only_when_idle = true;

    EventFileOptions file;  // modes, owner, direct I/O
};

// Whether each value is in its range and they go together. The message names the option.
Status validate(const FileSinkOptions& options);

}  // namespace sonde
