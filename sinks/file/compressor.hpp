#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "agent/base/result.hpp"
#include "sinks/file/rotation.hpp"

namespace sonde {

// Number of files and bytes over the compressor's life. Any thread.
struct CompressorStats {
    std::atomic<std::uint64_t> files{0};
    std::atomic<std::uint64_t> read_bytes{0};
    std::atomic<std::uint64_t> written_bytes{0};
    std::atomic<std::uint64_t> errors{0};
};

// Compresses `path` to `path` + suffix_of(compression), with the owner and mode that it has, and removes it then.
// The copy has `.tmp` behind its name until it is complete and on stable storage: a reader finds the file or its
// copy, or for a moment both, never half of one. True: done. False: `path` was removed meanwhile, or `cancelled`
// said so; nothing is left behind then, nor after an error.
Result<bool> compress_file(const std::string& path, Compression compression, int level,
                           const std::function<bool()>& cancelled, CompressorStats& stats);

// Compresses what a file sink has rotated, in a thread `zip/<stem>` that runs only when nothing else wants the
// processor (SCHED_IDLE) or the disk (I/O priority class idle). The newest file first: when it cannot keep up with
// the sink, the oldest ones are the next that retention deletes.
class Compressor {
public:
    // `level`: zstd 1 … 19, gzip 1 … 9. `only_idle`: false leaves the thread its ordinary priority.
    Compressor(std::string directory, std::string stem, Compression compression, int level, bool only_idle = true);
    // Abandons the file it is at; it is begun anew next time.
    ~Compressor() = default;
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;

    // There may be something to compress. Never blocks on the compression. Any thread.
    void wake();
    [[nodiscard]] const CompressorStats& stats() const { return stats_; }

private:
    void run(const std::stop_token& stop);
    bool compress_newest(const std::stop_token& stop);

    const std::string directory_;
    const std::string stem_;
    const Compression compression_;
    const int level_;
    const bool only_idle_;
    CompressorStats stats_;
    std::mutex mutex_;
    std::condition_variable_any woken_;
    bool awake_ = true;    // what an earlier process left
    std::jthread thread_;  // last: it uses everything above
};

}  // namespace sonde
