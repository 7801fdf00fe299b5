#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/correlate/correlator.hpp"
#include "agent/correlate/write_lines.hpp"
#include "agent/log/line_parser.hpp"

namespace sonde {

struct LogJoinOptions {
    bool enabled = true;  // false: nothing is parsed or joined, nothing waits
    WriteLinesOptions lines{};
    CorrelatorOptions correlator{};
    // Attributes that are taken off each line before anything looks at it, and trace and request ids of these names
    // with them: to leave out what must not be stored, or to see what joining is worth without ids.
    std::vector<std::string> ignored_attributes{};
    std::size_t max_parsers = 256;  // (process, descriptor) whose format is remembered; the others share one
};

// Everything between a captured write and a joined log line: lines, format, join. Records of files come in by take().
// Pipeline thread only, but for the counters.
class LogJoin {
public:
    LogJoin(LogJoinOptions options, Correlator::Output output);

    // CLOCK_REALTIME − CLOCK_MONOTONIC.
    void set_realtime_offset_ns(std::int64_t offset_ns) { realtime_offset_ns_ = offset_ns; }
    void on(const LogWrite& write);
    void process_ended(std::uint32_t pid);
    // A record that was read from a file (agent/log). It is left empty, with another record's memory.
    void take(LogRecord& record);
    // So many records of files, from the first on, wait for nothing any more.
    [[nodiscard]] std::uint64_t file_records_done() const {
        const auto oldest = correlator_.oldest_file_number();
        return oldest != 0 ? oldest - 1 : file_records_;
    }

    bool hold(const Transaction& transaction);
    // To be called often, at least every 50 ms. now_ns: CLOCK_MONOTONIC of the records.
    void advance(std::uint64_t now_ns);
    void finish();

    // Who is to be told of requests; null where nothing is joined.
    [[nodiscard]] RequestObserver* observer() { return options_.enabled ? &correlator_ : nullptr; }
    // Any thread.
    [[nodiscard]] const CorrelatorStats& stats() const { return correlator_.stats(); }
    [[nodiscard]] std::uint64_t bytes_cut() const { return bytes_cut_.load(std::memory_order_relaxed); }

    // Number of lines that are kept to be used again. For tests.
    [[nodiscard]] std::size_t pooled() const { return pool_.size(); }

private:
    std::shared_ptr<LogLine> parse(const WrittenRecord& written);
    LineParser& parser_of(std::uint32_t pid, std::uint32_t fd);
    void forget_parsers();
    std::shared_ptr<LogLine> fresh_line();
    void ignore_attributes(LogRecord& record) const;

    const LogJoinOptions options_;
    std::int64_t realtime_offset_ns_ = 0;
    std::uint64_t file_records_ = 0;  // taken so far
    std::uint64_t next_tick_ns_ = 0;
    struct KnownParser {
        LineParser parser;
        std::uint64_t forget_ns = 0;  // CLOCK_MONOTONIC; later, each time that it is used
    };
    std::unordered_map<std::uint64_t, KnownParser> parsers_;  // by process and descriptor
    std::uint64_t now_ns_ = 0;
    std::uint64_t next_forget_ns_ = 0;
    LineParser shared_parser_;
    SharedPool<LogLine> pool_;
    Correlator correlator_;
    WriteLines lines_;
    std::atomic<std::uint64_t> bytes_cut_{0};
};

}  // namespace sonde
