#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/query/event_line.hpp"

namespace sonde {

// What lines a question is about, as the user wrote it; empty: any.
struct LineFilterOptions {
    std::string type = "transaction";  // or log, loss, …; "any"
    std::string from, to;              // a time, or how long ago: see parse_time_bound
    std::string service, route, method, side, outcome, path;
    std::string status;    // 503, 5xx, or several with commas
    std::string duration;  // >100ms, >=1s, <5ms, 10ms..1s
    std::string text;      // anywhere in the line
};

// "2026-01-02", "2026-01-02T03:04", "2026-01-02T03:04:05.5Z", "2026-01-02 03:04:05" (UTC), "now", or an age: "15m",
// "2h", "90s", "1d". now_ns and the result: ns since 1970.
Result<std::uint64_t> parse_time_bound(std::string_view text, std::uint64_t now_ns);
// "100ms", "1.5s", "250us", "42ns", "2m", "1h".
Result<std::uint64_t> parse_duration_ns(std::string_view text);

// Decides field by field, so that most lines are left before their end.
class LineFilter final : public EventLineParser::Interest {
public:
    // Errors name the option and what it may hold (usage).
    static Result<LineFilter> make(const LineFilterOptions& options, std::uint64_t now_ns);

    // A line that fails this cannot match; it need not be parsed. A few GB a second.
    [[nodiscard]] bool may_match(std::string_view line) const;
    bool still(const EventFields& fields, std::string_view field) override;
    // Of a line that was parsed to its end.
    [[nodiscard]] bool matches(const EventFields& fields) const;
    // of the last line that was asked about
    [[nodiscard]] std::uint64_t time_ns() const { return time_ns_; }

private:
    explicit LineFilter(const LineFilterOptions& options) : options_(options) {}
    Status parse_status();
    Status parse_duration();
    void choose_needles();
    [[nodiscard]] bool status_matches(std::uint16_t status) const;

    LineFilterOptions options_;
    std::uint64_t from_ns_ = 0, to_ns_ = UINT64_MAX;
    std::uint64_t min_ns_ = 0, max_ns_ = UINT64_MAX;
    bool by_time_ = false, by_duration_ = false;
    std::vector<std::uint16_t> statuses_;  // 503; 5: the class 5xx
    std::vector<std::string> needles_;
    std::uint64_t time_ns_ = 0;
};

}  // namespace sonde
