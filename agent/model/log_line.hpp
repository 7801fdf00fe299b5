#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/inline_string.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {

// By which rule a line met its request (docs/correlation.md), in the order in which they are tried. candidates: several
// requests were open, the line belongs to none for certain. none: no request was open.
enum class LogMatch : std::uint8_t { none, trace, thread, process, access, candidates };
constexpr std::size_t log_match_count = 6;
constexpr std::array<std::string_view, log_match_count> log_match_names{"none",    "trace",  "thread",
                                                                        "process", "access", "candidates"};
constexpr std::string_view to_string(LogMatch match) { return log_match_names[static_cast<std::size_t>(match)]; }
// A line with this match is attached to one request.
constexpr bool is_attached(LogMatch match) { return match != LogMatch::none && match != LogMatch::candidates; }

// Two digits are all that a confidence means: 0.9, where the float is 0.89999998.
inline double readable_confidence(float confidence) { return std::round(static_cast<double>(confidence) * 100) / 100; }

// A line of a transaction: what its reader wants to see first; the log line itself holds the rest.
struct TransactionLog {
    static constexpr std::size_t message_bytes_max = 1024;

    std::uint64_t time_ns = 0;  // CLOCK_REALTIME: the line's own time, or that of its writing
    Severity severity = Severity::unknown;
    LogMatch match = LogMatch::none;
    float confidence = 0;  // 0 … 1
    bool cut = false;      // the message was longer
    std::string_view message;
};

// The lines that were written while a request was served. Immutable once its transaction is passed on; then, when
// nobody has it any more, used again for another request.
struct TransactionLogs {
    static constexpr std::size_t attributes_max = 16;

    std::vector<TransactionLog> lines;  // in the order of their writing, at most CorrelatorOptions::max_lines
    std::uint32_t dropped = 0;          // number of lines beyond that
    bool has_error = false;             // a line of severity error or fatal is among them, also among the dropped
    std::vector<std::pair<std::string, std::string>> attributes;  // chosen fields of the lines, each name once
    TextArena text;                                               // owner of the messages

    // Forgets everything but the memory.
    void clear() {
        lines.clear();
        dropped = 0;
        has_error = false;
        attributes.clear();
        text.clear();
    }
    // Becomes equal, with text of its own.
    void copy_from(const TransactionLogs& other) {
        clear();
        lines = other.lines;
        for (auto& line : lines) line.message = text.add(line.message);
        dropped = other.dropped;
        has_error = other.has_error;
        attributes = other.attributes;
    }
};

// A log record with the request that it belongs to.
struct LogLine {
    static constexpr std::size_t candidates_max = 8;

    LogRecord record;
    std::uint64_t monotonic_ns = 0;  // CLOCK_MONOTONIC of the write; 0: not observed (only a file told of it)
    std::uint64_t strand = 0;        // goroutine that wrote it; 0: the thread tells all there is
    LogMatch match = LogMatch::none;
    float confidence = 0;                                    // 0 … 1
    std::uint64_t request_span_id = 0;                       // sonde's name of the request; 0: attached to none
    InlineString<16> request_method;                         // of the request that it is attached to
    InlineString<32> request_trace_id;                       // empty: it has none
    std::array<std::uint64_t, candidates_max> candidates{};  // span ids of requests that were open …
    std::uint32_t candidate_count = 0;                       // … as many as there were; not all may be listed
    std::uint64_t file_number = 0;                           // of all records that came from files; 0: from none
    std::string_view service;                                // interned: lives as long as the agent

    // CLOCK_REALTIME: what the line itself says, or else when it was written or read.
    [[nodiscard]] std::uint64_t time_ns() const { return record.time_ns != 0 ? record.time_ns : record.observed_ns; }
};
using LogLinePtr = std::shared_ptr<const LogLine>;

}  // namespace sonde
