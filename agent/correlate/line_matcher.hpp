#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "agent/correlate/request_table.hpp"
#include "agent/model/log_line.hpp"

namespace sonde {

struct MatchOptions {
    std::uint64_t late_ns = 500'000'000;  // a line may be written so long after the end of its response
    // The last bytes of a response may wait in the socket (Nagle, a slow client) when its thread has gone on to the
    // next request. So much later they are not waiting bytes but a response that is still being written.
    std::uint64_t tail_ns = 250'000'000;
    std::uint64_t quiet_ns = 100'000'000;  // where a thread or process serves several at a time: no other may have
                                           // ended so short a time before, for it might be that one's line
};

struct LineMatch {
    LogMatch match = LogMatch::none;
    float confidence = 0;
    std::uint32_t request = RequestTable::npos;  // attached to; in the table
    std::array<std::uint64_t, LogLine::candidates_max> candidates{};
    std::uint32_t candidate_count = 0;  // as many were found; no more than candidates_max are listed
};

// The rules by which a line finds its request, the first that holds: docs/correlation.md says what each demands and
// what its confidence means. Pipeline thread only.
class LineMatcher {
public:
    // requests outlives the matcher.
    LineMatcher(const RequestTable& requests, const MatchOptions& options) : requests_(requests), options_(options) {}

    // To be told when the table's entry has got its end, and who answered (0: not observed): what a process does with
    // its threads shows here.
    void ended(std::uint32_t request);
    void answered(std::uint32_t request, std::uint32_t tid);
    void process_ended(std::uint32_t pid) { processes_.erase(pid); }

    // What the line itself says (record, monotonic_ns, strand) is read, nothing written. anchor: of its writing.
    [[nodiscard]] LineMatch match(const LogLine& line, const RequestTable::Anchor& anchor) const;

private:
    // How a process uses its threads, as far as was seen. CLOCK_MONOTONIC; 0: never.
    struct Habits {
        std::uint64_t interleaved_ns = 0;  // a thread took up a request before it had begun to answer the one before
        std::uint64_t handed_over_ns = 0;  // one thread read, another answered: who works in between is not known
        std::uint32_t handed_over = 0;     // number of times, no minute apart
    };
    using By = RequestTable::By;

    [[nodiscard]] bool by_trace(const LogLine& line, LineMatch& out) const;
    [[nodiscard]] bool by_id(By by, std::uint64_t key, const LogLine& line, LineMatch& out) const;
    [[nodiscard]] bool by_thread(const LogLine& line, const RequestTable::Anchor& anchor, LineMatch& out) const;
    [[nodiscard]] bool by_process(const LogLine& line, const RequestTable::Anchor& anchor, LineMatch& out) const;
    [[nodiscard]] bool by_access(const LogLine& line, LineMatch& out) const;
    [[nodiscard]] int open_before(By by, std::uint64_t key, std::uint64_t read_ns, const LogLine& line) const;
    void add_candidate(LineMatch& out, std::uint32_t request) const;
    [[nodiscard]] bool left_before(const TrackedRequest& request, std::uint64_t next_read_ns) const;
    [[nodiscard]] bool wrote(const LogLine& line, const TrackedRequest& request) const;
    [[nodiscard]] Habits& habits_of(std::uint32_t pid);

    const RequestTable& requests_;
    const MatchOptions options_;
    std::unordered_map<std::uint32_t, Habits> processes_;  // bounded: processes_max
};

}  // namespace sonde
