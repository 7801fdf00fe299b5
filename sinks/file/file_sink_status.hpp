#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

namespace sonde {

// What a file sink tells about itself beside SinkStats. Numbers over the sink's life. The sink's thread writes, any
// thread reads; the object may outlive the sink.
struct FileSinkStatus {
    using Count = std::atomic<std::uint64_t>;

    Count appended_bytes{0};  // accepted
    Count written_bytes{0};   // of appended: the kernel has them; they survive a crash of the agent
    Count durable_bytes{0};   // of written: on stable storage; they survive a power cut
    Count doubtful_bytes{0};  // of written: the sync of them failed
    Count rejected_bytes{0};  // refused: the destination took nothing for too long
    Count repaired_bytes{0};  // of torn last lines that were cut off when a file was opened
    Count rescued_bytes{0};   // copied from a file that was removed or left under the sink to the new one
    Count file_bytes{0};      // size of the current file (a gauge)
    Count rotations{0};
    Count reopened{0};       // the file was moved, removed or truncated by somebody else
    Count deleted_files{0};  // by retention
    Count deleted_bytes{0};  // by retention
    Count errors{0};         // operations that failed, rotation and syncs too
    std::atomic<bool> able{true};

    // Why it is not able, or what else is wrong; empty when all is well.
    [[nodiscard]] std::string why() const {
        const std::scoped_lock lock(mutex_);
        return why_;
    }
    void set_why(const std::string& why) {
        const std::scoped_lock lock(mutex_);
        why_ = why;
    }

private:
    mutable std::mutex mutex_;
    std::string why_;
};

}  // namespace sonde
