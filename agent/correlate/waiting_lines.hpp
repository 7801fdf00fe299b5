#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "agent/base/ring.hpp"
#include "agent/correlate/due_queue.hpp"
#include "agent/correlate/write_lines.hpp"
#include "agent/model/log_line.hpp"

namespace sonde {

struct WaitingLinesOptions {
    std::uint64_t settle_ns = 250'000'000;  // a line waits so long after its writing
    std::size_t lines_max = 32768;
    std::size_t bytes_max = std::size_t{16} << 20;  // of their text
    bool two_origins = true;  // false: all come from one, and none is looked for among those that wait
};

// Lines that wait to be joined, the next one first. A line that comes both from a write and from a file, in either
// order, is one: the kernel tells the thread, the file gives the whole text. What a write carried waits as text, to be
// parsed when its time has come: thousands of texts wait at a time, and a record takes ten times as much memory as its
// text. Pipeline thread only; no allocation once it has grown to what waits at a time.
class WaitingLines {
public:
    struct Line {
        std::shared_ptr<LogLine> parsed;         // null: it is `written`
        const WrittenRecord* written = nullptr;  // good until the next call
        RequestTable::Anchor anchor;
    };

    explicit WaitingLines(const WaitingLinesOptions& options);

    // CLOCK_MONOTONIC of the records, never less than before.
    void advance(std::uint64_t now_ns);
    // A line, its record parsed and its source set. monotonic_ns 0: its writing was not observed. anchor: taken when it
    // was written, if that was seen. false: there is nothing that it has to wait for; it is still the caller's.
    bool add(std::shared_ptr<LogLine>& line, const RequestTable::Anchor& anchor);
    void add(const WrittenRecord& written);

    [[nodiscard]] std::size_t size() const { return due_.size(); }
    // As many wait as may: the oldest is to be taken before another one is added.
    [[nodiscard]] bool full() const {
        return !due_.empty() && (due_.size() >= options_.lines_max || bytes_ >= options_.bytes_max);
    }
    [[nodiscard]] bool is_due() const { return !due_.empty() && due_.front().time_ns <= now_ns_; }
    // The one whose time comes first. Not when there is none.
    Line take();

    // Number of lines that came from both, so far.
    [[nodiscard]] std::uint64_t merged() const { return merged_; }
    // The smallest LogLine::file_number that waits; 0: none does.
    [[nodiscard]] std::uint64_t oldest_file_number() const;

private:
    static constexpr std::uint32_t nowhere = RequestTable::npos;

    // Once it was taken, what tells it from others stays for a while: the same line may come late from the other
    // origin.
    struct Waiting {
        std::shared_ptr<LogLine> parsed;
        WrittenRecord written;
        bool is_written = false;  // neither: it was taken
        bool from_kernel = false;
        bool listed = false;  // in its bucket: the other origin may bring it yet
        std::uint64_t text_hash = 0;
        std::uint64_t device = 0, inode = 0;
        std::uint64_t trace_number = 0;    // of what stays; 0: nothing does
        std::uint32_t next = nowhere;      // younger, in the same bucket; or the next free one
        std::uint32_t previous = nowhere;  // older, in the same bucket
        RequestTable::Anchor anchor;
    };
    struct Trace {
        std::uint64_t forget_ns = 0;
        std::uint64_t number = 0;
        std::uint32_t place = 0;
    };
    // Lines with equal texts are a service's usual lines, thousands of them at a time: what is looked for has to be
    // the first of its list, and to leave it without a search.
    struct Bucket {
        std::uint32_t first = nowhere, last = nowhere;  // the oldest, the youngest
    };
    // Where a line comes from, and what tells it from others of its text.
    struct Identity {
        std::uint64_t text_hash;
        std::uint64_t device, inode;
        bool from_kernel;
    };
    [[nodiscard]] std::uint64_t hash_of(std::string_view text) const;
    [[nodiscard]] std::uint32_t find_other(const Identity& line);
    Waiting& take_place(const Identity& line, std::size_t bytes, std::uint64_t due_ns);
    void list(std::uint32_t place, const Identity& line);
    static void prefetch(const Waiting& next);
    void unlist(Waiting& waiting);
    void give_back(std::uint32_t place);
    [[nodiscard]] bool comes_from_both(bool from_kernel) const;
    void leave_trace(std::uint32_t place, bool from_kernel);
    void forget_trace();
    [[nodiscard]] std::uint64_t due_of_kernel(std::uint64_t written_ns, std::uint8_t flags) const;
    [[nodiscard]] std::uint64_t due_of_file(const LogLine& line) const;
    [[nodiscard]] Bucket& bucket_of(std::uint64_t text_hash, bool from_kernel) {
        auto& buckets = by_text_[from_kernel ? 1 : 0];
        return buckets[text_hash & (buckets.size() - 1)];
    }

    const WaitingLinesOptions options_;
    std::vector<Waiting> waiting_;  // by place
    std::uint32_t free_place_ = nowhere;
    std::array<std::vector<Bucket>, 2> by_text_;  // of lines from files, from the kernel; powers of two
    DueQueue due_;
    Ring<Trace> traces_;  // of lines that were taken
    std::uint64_t trace_number_ = 0;
    std::array<std::uint64_t, 2> seen_ns_{};  // when a line came last from files, from the kernel; 0: never
    std::size_t bytes_ = 0;
    std::uint64_t merged_ = 0;
    std::uint64_t now_ns_ = 0;
    WrittenRecord taken_;
};

// Of the descriptor that a line was written to.
LogStream stream_of(std::uint32_t fd);

}  // namespace sonde
