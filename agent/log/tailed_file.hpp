#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/unique_fd.hpp"
#include "agent/log/container_line.hpp"
#include "agent/log/file_identity.hpp"
#include "agent/log/file_scan.hpp"
#include "agent/log/line_parser.hpp"
#include "agent/log/record_assembler.hpp"
#include "agent/log/tail_checkpoint.hpp"
#include "agent/log/tail_options.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {

// Takes the records of a tailer, on its thread.
class LogRecordHandler {
public:
    virtual ~LogRecordHandler() = default;
    // May take what the record holds (move or swap). false: full; the tailer keeps the record, stops reading and offers
    // it again within 20 ms. Nothing is dropped, unless TailerOptions::drop_after_ms says so.
    virtual bool on_record(LogRecord& record) = 0;
    // How many of all records taken so far need not come again if the process dies now: only those are checkpointed.
    [[nodiscard]] virtual std::uint64_t records_safe() const = 0;
};

// Written by the tail thread, read by any.
struct TailStats {
    std::atomic<std::uint64_t> records{0};          // handed over
    std::atomic<std::uint64_t> bytes{0};            // read and taken from files
    std::atomic<std::uint64_t> lines_cut{0};        // above line_bytes_max
    std::atomic<std::uint64_t> records_dropped{0};  // refused for longer than drop_after_ms
    std::atomic<std::uint64_t> refusals{0};         // times that the handler was full
    std::atomic<std::uint64_t> rotations{0};        // renamed, deleted or truncated files that were noticed
    std::atomic<std::uint64_t> truncations{0};      // of them, truncated
    std::atomic<std::uint64_t> copies{0};           // of them, whose rest was read from the copy
    std::atomic<std::uint64_t> bytes_lost{0};       // truncated or deleted away before they were read, as far as known
    std::atomic<std::uint64_t> files_refused{0};    // above files_max, or not readable
    std::atomic<std::uint64_t> checkpoints{0};      // written
    std::atomic<std::uint64_t> checkpoint_failures{0};  // could not be written
    std::atomic<std::uint64_t> files_known{0};
    std::atomic<std::uint64_t> files_open{0};
};

// What the files of one tailer share.
struct TailContext {
    const TailerOptions& options;
    LogRecordHandler& handler;
    TailStats& stats;
    std::vector<char> buffer;  // one read; grows to line_bytes_max for the longest line
    LogRecord record;
    std::uint64_t records_taken = 0;
    std::uint64_t refused_since_ns = 0;  // CLOCK_MONOTONIC; 0: the latest offer was taken
};

// One file, followed by inode through renames. Lines are handed over whole, once, in order; what stands behind the last
// newline waits in the file. Tail thread only.
class TailedFile {
public:
    TailedFile(FileCheckpoint state, const LogFiles& files);
    ~TailedFile();

    enum class Progress : std::uint8_t {
        at_end,     // all whole lines are read
        more,       // its share of this turn is used up
        blocked,    // the handler is full
        truncated,  // it is not the file that was read: restart() it, once its copy was looked for
        renamed,    // while it was closed; it goes on under its new name, which is to be looked for
        failed,     // cannot be read now; tried again later
    };
    Progress read(TailContext& context);
    // Hands over a record whose further lines did not come in time. false: refused.
    bool flush_old(TailContext& context, std::uint64_t now_ns);
    // Hands over what is held. false: refused.
    bool flush(TailContext& context);
    // Whether a file that begins with front is this one, grown.
    [[nodiscard]] bool begins_like(std::string_view front) const { return matches(state_.fingerprint, front); }
    // The same of a file that may not be complete yet: one that is being copied.
    [[nodiscard]] bool may_have_begun_like(std::string_view front) const {
        return front.size() >= state_.fingerprint.size ? begins_like(front) : front_.starts_with(front);
    }
    // front: of the file at state().path; taken if that is this file.
    void remember_front(std::string_view front) {
        if (begins_like(front)) front_.assign(front);
    }
    // Whether its beginning was compared when it had this size and time of modification: it need not be again.
    [[nodiscard]] bool verified(const FoundFile& found) const {
        return verified_size_ == found.size && verified_ns_ == found.modified_ns;
    }
    void set_verified(const FoundFile& found) { verified_size_ = found.size, verified_ns_ = found.modified_ns; }
    // Hands over everything, also what has no newline yet: the file is done. false: refused.
    bool finish(TailContext& context);
    // Begins at the front, as another file that begins with front. What it held must be flushed.
    void restart(std::uint64_t order, std::string_view front);

    // Opens the file at state().path if that still is this file. true: it is open.
    bool open(TailContext& context);
    // Frees descriptor and buffers; what was read stays known. Must not hold anything.
    void close(TailContext& context);
    [[nodiscard]] bool is_open() const { return open_ != nullptr; }
    [[nodiscard]] int descriptor() const;
    [[nodiscard]] bool holds() const;

    // As it would have to begin again: nothing that is held is in it.
    [[nodiscard]] FileCheckpoint checkpoint() const;
    [[nodiscard]] const FileCheckpoint& state() const { return state_; }
    [[nodiscard]] const LogFiles& files() const { return *files_; }
    void set_path(const std::string& path) { state_.path = path; }
    void set_order(std::uint64_t order) { state_.order = order; }
    // CLOCK_MONOTONIC of the latest bytes, or of its opening
    [[nodiscard]] std::uint64_t active_ns() const { return active_ns_; }
    [[nodiscard]] std::uint64_t seen_size() const { return seen_size_; }

    bool snap_to_line = false;      // the offset is where the file ended when it was first seen, perhaps within a line
    bool deleted = false;           // no path leads to it any more
    std::uint64_t listed_size = 0;  // in the latest listing
    std::uint64_t missing_since_ns =
        0;                 // CLOCK_MONOTONIC of the first listing that did not show it; 0: the last one did
    bool rotated = false;  // its family's path leads to another file

private:
    struct Open;
    class Output;
    void find_line_begin(TailContext& context);
    // 1: it is the file that was read, 0: another one, -1: cannot tell
    int check_front(TailContext& context);
    Progress take_lines(TailContext& context, std::string_view bytes, std::size_t& used);
    bool take_line(TailContext& context, std::string_view text, std::uint64_t end, std::uint8_t flags);

    FileCheckpoint state_;
    const LogFiles* files_;
    std::string front_;  // what the file begins with, up to Fingerprint::size_max; empty: not seen yet
    std::unique_ptr<Open> open_;
    std::uint64_t active_ns_ = 0;
    std::uint64_t seen_size_ = 0;
    std::uint64_t verified_size_ = 0;
    std::uint64_t verified_ns_ = 0;  // CLOCK_REALTIME; 0: never
    bool skipping_ = false;          // behind the cut of a line that is too long
};

std::uint64_t monotonic_ns();
std::uint64_t realtime_ns();

}  // namespace sonde
