#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/unique_fd.hpp"
#include "sinks/file/write_channel.hpp"

namespace sonde {

// Number of bytes over the writer's life, all files together.
// appended = written + pending; written = durable + doubtful + not synced yet.
struct WriterStats {
    std::uint64_t appended_bytes = 0;  // accepted by append()
    std::uint64_t written_bytes = 0;   // taken by the kernel
    std::uint64_t durable_bytes = 0;   // covered by a sync that succeeded
    std::uint64_t doubtful_bytes = 0;  // covered by a sync that failed: the kernel may have dropped them
    std::uint64_t rejected_bytes = 0;  // refused by append(): no room, because earlier bytes cannot be written
    std::uint64_t direct_bytes = 0;    // of written: past the page cache
    std::uint64_t errors = 0;          // operations that failed (ENOSPC, EIO, …)
    std::uint64_t syncs = 0;           // syncs that succeeded
};

// Appends bytes to a file, through a ring of memory of which one stretch at a time is with the kernel:
//
//            begin, 4096-aligned ↓  begin        submitted       end
//   ring     ░░░░░░ free ░░░░░░░░│rewritten│in the kernel│ appended │░░ free ░░
//
// One write at a time, so that the file never shows a hole: whenever this process dies, the file holds an unbroken
// prefix of what was appended. The stretch grows while the kernel is busy, up to half the ring.
// Long stretches go past the page cache (O_DIRECT) where the file allows it; then the block that begins inside an
// earlier write is written again, with the same bytes, which is why it is kept. Short ones (little load, the end of a
// flush) go through the page cache. Both go to the same inode; Linux writes back and drops the cached pages under a
// direct write first, and readers through the page cache see both.
//
// "appended": the bytes were copied into the writer. A crash of this process before they are written loses them.
// "written":  the kernel has them, in order: they survive a crash of this process, and every reader sees them.
//             They are not on stable storage: a power cut may lose them.
// "durable":  a sync after they were written has succeeded: they are on stable storage.
//
// A write that fails loses nothing at once: its bytes stay and every flush() tries them again, so a disk that fills up
// and is cleared leaves a file without a gap. Meanwhile append() goes on until the ring is full, then refuses whole
// appends. A sync that fails is not repeated: Linux reports a failed write-back once and may have dropped the pages,
// so a later success says nothing about them. They are counted as doubtful.
//
// One thread at a time. The process must ignore SIGXFSZ where a file size limit is set. Files are not opened with
// O_APPEND, which makes Linux ignore the offsets of writes.
class FileWriter {
public:
    static constexpr std::size_t ring_bytes = 4U << 20U;    // 20 ms at 200 MB/s
    static constexpr std::size_t append_bytes = 1U << 20U;  // longest append
    static constexpr std::uint64_t block_bytes = 4096;      // alignment that every direct write keeps

    struct File {
        UniqueFd buffered;         // O_WRONLY
        UniqueFd direct;           // the same inode with O_DIRECT; may be none
        std::uint64_t offset = 0;  // of the first byte that is written
        std::uint64_t limit = 0;   // nothing is reserved beyond; 0: no limit
    };
    using MakeChannel = std::function<std::unique_ptr<WriteChannel>(FileIo&, std::span<char>)>;

    // `preallocate_bytes`: step in which blocks are reserved ahead of direct writes, and given back at detach();
    // 0: never. An empty `make_channel` takes io_uring or pwrite by trying.
    explicit FileWriter(FileIo& io, std::uint64_t preallocate_bytes = 0, const MakeChannel& make_channel = {});
    // Writes what it can; what cannot be written is lost, and the file ends where the unbroken part ends, possibly
    // inside an append.
    ~FileWriter();
    FileWriter(const FileWriter&) = delete;
    FileWriter& operator=(const FileWriter&) = delete;

    [[nodiscard]] std::string_view name() const { return channel_->name(); }

    // Writes to `file` from now on. Nothing is pending and no file is attached. A ring that does not take the file is
    // given up for pwrite.
    void attach(File file);
    // Waits for what the kernel is doing, gives reserved blocks back and closes the file. Bytes that were written and
    // not synced are doubtful from now on, if syncs were asked for. Returns what is pending, in order: appended, not
    // written, and no longer counted as appended. written_offset() stays.
    std::string detach();

    // Takes all of `bytes` or none of them; may wait for a write under way. False: last_errno() says why not
    // (EMSGSIZE, or the write that failed earlier).
    bool append(std::span<const char> bytes);
    // Tries to write everything pending, the failed part first. False: last_errno().
    bool flush();
    // Starts a sync of all that is written, unless one is under way. Its end shows in stats() and sync_errno().
    void start_sync();
    // Waits for a sync of all that is written. False: sync_errno().
    bool sync();
    // Looks whether something under way has ended, and starts the next write. Never waits.
    void poll();

    [[nodiscard]] int last_errno() const { return last_errno_; }
    [[nodiscard]] int sync_errno() const { return sync_errno_; }  // of the last sync that failed; 0: none did
    [[nodiscard]] std::uint64_t pending_bytes() const { return end_ - begin_; }
    [[nodiscard]] std::uint64_t end_offset() const { return end_; }        // in the file, of the next append
    [[nodiscard]] std::uint64_t written_offset() const { return begin_; }  // the file's size as far as it is ours
    [[nodiscard]] const WriterStats& stats() const { return stats_; }
    // Gives reserved blocks back before the file is closed: somebody needs the space.
    void release_reserved();

private:
    struct FreeMemory {
        void operator()(char* memory) const;
    };

    [[nodiscard]] std::size_t room() const;
    void copy_in(std::span<const char> bytes);
    void start_write();
    void take_write(bool wait);
    void complete_write(int result);
    void take_sync(bool wait);
    void reserve(std::uint64_t end);
    [[nodiscard]] bool can_go_direct(std::uint64_t size) const;

    FileIo& io_;
    const std::uint64_t preallocate_bytes_;
    std::unique_ptr<char, FreeMemory> memory_;
    std::unique_ptr<WriteChannel> channel_;
    File file_;

    // Offsets in the file. The byte at offset o is at memory_[o % ring_bytes].
    std::uint64_t floor_ = 0;     // before it nothing is in memory
    std::uint64_t begin_ = 0;     // first byte that is not written
    std::uint64_t end_ = 0;       // after the last byte that was appended
    std::uint64_t poll_at_ = 0;   // an append that reaches it looks whether the kernel is ready
    std::uint64_t reserved_ = 0;  // blocks are reserved up to here; 0: none were
    bool reserve_failed_ = false;

    bool writing_ = false;
    bool writing_direct_ = false;
    std::uint64_t write_from_ = 0;
    std::uint64_t write_to_ = 0;
    unsigned retries_ = 0;  // in a row without progress
    int last_errno_ = 0;    // of the last write; 0: it succeeded

    bool syncing_ = false;
    bool sync_asked_ = false;  // since attach()
    std::uint64_t sync_to_ = 0;
    std::uint64_t synced_ = 0;  // durable or doubtful up to here
    int sync_errno_ = 0;
    WriterStats stats_;
};

}  // namespace sonde
