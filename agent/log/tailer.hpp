// Follows log files and hands over their records: every line whole, in order, once; after a crash again from the last
// checkpoint.
//
//   what happens to the file       what the tailer does
//   ----------------------------   ---------------------------------------------------------------------------------
//   renamed                        reads it to its end by inode, then the new one; goes on with it if it still grows
//   deleted                        reads it to its end through its open descriptor
//   truncated after a copy         reads the rest from the copy (same beginning), then the truncated file from 0
//   rotated while sonde was away   finds it by inode; files that came and were rotated meanwhile are read, too
//   its inode given to another     sees that the beginning differs, reads from 0
//
// What no reader can have: lines that copytruncate drops itself, between the end of its copy and its truncation; what
// was truncated without a copy or deleted while sonde did not run, or before it had opened the file; rotated files that
// were compressed meanwhile. As far as such bytes are known they are counted (TailStats::bytes_lost).
// A file that begins with the same bytes as the current one (up to 1 KiB) is taken for its copy.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/log/directory_watch.hpp"
#include "agent/log/file_scan.hpp"
#include "agent/log/tailed_file.hpp"

namespace sonde {

// All of it on one thread (`tail`), but for stats() and wake().
class Tailer {
public:
    // Reads the checkpoint. Errors: it is broken or not readable. options and handler outlive the tailer.
    static Result<std::unique_ptr<Tailer>> open(const TailerOptions& options, LogRecordHandler& handler);
    ~Tailer();

    // Until stop is requested; then save()s what is safe by then.
    void run(const std::stop_token& stop);
    // One turn: waits for changes (timeout_ms at most), reads, checkpoints. true: there is more to read at once.
    bool turn(int timeout_ms);
    // Writes a checkpoint of all that is safe now. To be called again once the handler has drained, before the end:
    // what is not in it comes again at the next start.
    Status save();
    // Ends a wait. Any thread.
    void wake() { watch_.wake(); }

    [[nodiscard]] const TailStats& stats() const { return stats_; }

private:
    // A rotated file that begins like the current one of its family: its copy, of use once that is truncated.
    struct Copy {
        FoundFile file;
        FileId of;
    };
    struct Snapshot {
        TailCheckpoint checkpoint;
        std::uint64_t records = 0;
    };
    using Files = std::map<FileId, std::unique_ptr<TailedFile>>;

    Tailer(const TailerOptions& options, LogRecordHandler& handler);

    void restore(const TailCheckpoint& checkpoint);
    std::vector<FoundFile> list();
    void scan();
    void update_known(const std::vector<FoundFile>& found);
    void find_copies(const std::vector<FoundFile>& found);
    bool is_copy_of_known(const FoundFile& file, std::string_view front);
    std::set<FileId> find_truncated(const std::vector<FoundFile>& found);
    bool is_other(const TailedFile& file, const FoundFile& found) const;
    void forget_reused(const std::vector<FoundFile>& found);
    bool resolve_truncation(TailedFile& file, std::string_view front);
    bool add_copy(const TailedFile& file, const FoundFile& copy, std::uint64_t offset);
    void register_file(const FoundFile& file);
    std::uint64_t start_offset(const FoundFile& file) const;
    bool drop_gone(TailedFile& file);
    void order_files();
    bool flush_held(std::size_t begin, std::size_t end);
    bool must_scan_before(TailedFile& file);
    bool read_families();
    TailedFile::Progress read_file(TailedFile& file);
    bool make_room();
    void tidy();
    void checkpoint_when_due();
    Snapshot snapshot() const;

    const TailerOptions& options_;
    TailStats stats_;
    TailContext context_;
    DirectoryWatch watch_;
    FileScan scan_;
    Files files_;
    std::map<FileId, Copy> copies_;
    std::vector<TailedFile*> ordered_;  // by family, the older first
    bool order_stale_ = false;
    std::uint64_t next_order_ = 1;
    std::uint64_t restored_scan_ns_ = 0;  // CLOCK_REALTIME of the checkpoint's last scan; 0: there was none
    bool first_scan_ = true;
    std::uint64_t scanned_real_ns_ = 0;  // CLOCK_REALTIME
    std::uint64_t scanned_ns_ = 0;       // CLOCK_MONOTONIC
    std::uint64_t checkpointed_ns_ = 0;  // CLOCK_MONOTONIC
    std::unique_ptr<Snapshot> pending_;  // waits until its records are safe
};

}  // namespace sonde
