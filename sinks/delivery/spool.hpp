#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.hpp"
#include "agent/base/unique_fd.hpp"

namespace sonde {

enum class SpoolFull : std::uint8_t { drop_newest, drop_oldest };

struct SpoolOptions {
    std::string directory{};                   // one sink's alone; empty: no spool
    std::uint64_t max_bytes = 256ULL << 20;    // 64 KiB …: of all segments together
    std::uint64_t segment_bytes = 8ULL << 20;  // 4 KiB … max_bytes / 2: freed at once, when all of it is delivered
    SpoolFull full = SpoolFull::drop_newest;   // drop_oldest: a whole segment goes
    std::uint64_t max_age_ms = 24ULL * 3'600'000;  // what is older when its turn comes is given up
    bool sync = false;  // fdatasync after each batch. Without: batches survive a crash of the agent, not one of the
                        // machine
};

// Batches that wait on disk, first in first out, in checksummed segments (spool_frame.hpp) `<number>.spool`. The
// file `cursor` says how far they have been taken. Whatever append() accepted is given out again until pop() was
// called for it, also after a crash: at least once, and in order.
//
// A tail that a crash tore off is cut away at open; a damaged frame is skipped, its records counted as corrupt.
// One process at a time (flock); one thread.
class Spool {
public:
    struct Item {
        std::string body;
        std::uint32_t records = 0;
        std::uint64_t time_ns = 0;  // CLOCK_REALTIME when the batch was closed
    };
    enum class Append : std::uint8_t { stored, full, failed };

    // Makes the directory (0700) where it is missing, not its parents.
    static Result<Spool> open(const SpoolOptions& options);

    // full: nothing was stored. failed: the disk said no; error() says why.
    // With SpoolFull::drop_oldest older segments make room; take_evicted() tells how many records they held.
    Append append(std::string_view body, std::uint32_t records, std::uint64_t time_ns);

    // The oldest batch; nullopt: there is none. Damaged ones are passed over.
    std::optional<Item> front();
    // Whether front() gave one out that is still there: not taken, not evicted.
    [[nodiscard]] bool holds_front() const { return front_size_ > 0; }
    // The front is done with.
    void pop();

    [[nodiscard]] bool empty() const { return records_ == 0 && frames_ == 0; }
    [[nodiscard]] std::uint64_t records() const { return records_; }  // waiting, readable as far as is known
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }      // of the segments on disk
    // Number of records since the last call that left without pop().
    std::uint64_t take_evicted() { return std::exchange(evicted_, 0); }
    std::uint64_t take_corrupt() { return std::exchange(corrupt_, 0); }
    // Number of bytes at open that were no frame, and of which nobody knows how many records they held.
    [[nodiscard]] std::uint64_t unreadable_bytes() const { return unreadable_bytes_; }
    [[nodiscard]] const std::string& error() const { return error_; }

private:
    struct Segment {
        std::uint64_t number = 0;
        std::uint64_t bytes = 0;   // of whole frames
        std::uint64_t frames = 0;  // not yet taken
        std::uint64_t records = 0;
        UniqueFd file;
    };
    explicit Spool(SpoolOptions options) : options_(std::move(options)) {}

    Status take_over();
    Status scan(Segment& segment, std::uint64_t from);
    Status add_segment();
    void drop_front_segment();
    void store_cursor();
    void load_cursor();
    void forget(Segment& segment, std::uint64_t frames, std::uint64_t records);
    bool make_room(std::uint64_t size);
    bool write_frame(Segment& segment, std::string_view body, std::uint32_t records, std::uint64_t time_ns);
    [[nodiscard]] std::string path_of(std::uint64_t number) const;

    SpoolOptions options_;
    UniqueFd lock_;
    UniqueFd cursor_file_;
    std::deque<Segment> segments_;  // oldest first; the last one is written
    std::uint64_t next_number_ = 1;
    std::uint64_t cursor_number_ = 0;
    std::uint64_t cursor_offset_ = 0;  // in the oldest segment
    std::uint64_t front_size_ = 0;     // of the frame that front() gave out; 0: none
    std::uint32_t front_records_ = 0;
    std::uint64_t frames_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t evicted_ = 0;
    std::uint64_t corrupt_ = 0;
    std::uint64_t unreadable_bytes_ = 0;
    std::string error_;
};

}  // namespace sonde
