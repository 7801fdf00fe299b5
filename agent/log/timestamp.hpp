#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sonde {

// What a time without a zone means.
struct LogTimeOptions {
    // seconds east of UTC, -86399 to 86399; empty: the zone of this machine, with its daylight saving
    std::optional<int> utc_offset_s;
};

// A time at the beginning of a text. used: number of bytes it took; 0: there is no time there.
struct LogTime {
    std::uint64_t ns = 0;  // CLOCK_REALTIME
    std::size_t used = 0;
    explicit operator bool() const { return used > 0; }
};

// Reads the forms of time that logs use. Years 1970 to 2261 (64 bits of ns); what is no date of the calendar is no
// time. A leap second is the second after it. One thread at a time (it remembers the machine's zone).
class TimeParser {
public:
    explicit TimeParser(LogTimeOptions options = {}) : options_(options) {}

    // RFC 3339 §5.6 and its relatives: T, t, space or _ between date and time; - or / in the date; a fraction of 1 to
    // 9 digits (more are read and dropped) behind . or ,; then Z, +hh:mm, +hhmm, +hh, " UTC", " Z", " +hhmm" or no
    // zone.
    LogTime date_time(std::string_view text);
    // Common log format: 02/Jan/2026:03:04:05 +0000
    LogTime clf(std::string_view text);
    // klog and glog: 0102 03:04:05.678901, and glog's 20260102; the year is that which puts it closest to now_ns
    LogTime klog(std::string_view text, std::uint64_t now_ns);
    // java.util.logging's: Jan 02, 2026 3:04:05 AM
    LogTime jul(std::string_view text);
    // Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by magnitude (seconds below 1e11,
    // milliseconds below 1e14, microseconds below 1e17); a fraction or an exponent belongs to it; numbers
    // below 1e8 are no time. The whole text.
    static LogTime epoch(std::string_view text);
    // date_time or clf, or epoch if the whole text is a number.
    LogTime any(std::string_view text);

private:
    std::int64_t to_utc(std::int64_t local_s);

    LogTimeOptions options_;
    std::int64_t cached_quarter_ = INT64_MIN;  // quarter of an hour whose offset is remembered: zones change on those
    std::int64_t cached_offset_s_ = 0;
};

}  // namespace sonde
