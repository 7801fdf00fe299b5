#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/log/json_format.hpp"
#include "agent/log/timestamp.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {

struct LineParserOptions {
    // empty: detected. Set: lines that are not of this format become plain ones.
    std::optional<LogFormat> format;
    LogTimeOptions time;
};

// Text of a record to LogRecord, for one source. Without a configured format it asks all of them for each line, the one
// that the latest window of lines (64) voted for first: a source that mixes formats is parsed right all the same, and
// one that changes its format is followed. Never fails: what no format takes is plain. Does not allocate after warm-up
// but for lines above 128 KiB. One thread at a time.
class LineParser {
public:
    explicit LineParser(LineParserOptions options = {});

    // text: one line, or the lines of one record divided by \n, without the last \n; any bytes. now_ns: CLOCK_REALTIME,
    // becomes observed_ns. record is cleared first; its source is left to the caller.
    void parse(std::string_view text, std::uint64_t now_ns, LogRecord& record);

    // The format that the last full window voted for, or the configured one.
    [[nodiscard]] LogFormat format() const { return guess_; }

private:
    static constexpr std::uint32_t window_lines = 64;

    bool parse_as(LogFormat format, std::string_view line, LogRecord& record);
    void parse_head(std::string_view head, LogRecord& record);
    void vote(LogFormat format);

    const LineParserOptions options_;
    TimeParser times_;
    JsonFormat json_;
    LogFormat guess_;
    std::array<std::uint32_t, log_format_count> votes_{};
    std::uint32_t voted_ = 0;
};

}  // namespace sonde
