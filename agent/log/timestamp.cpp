#include "agent/log/timestamp.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

#include "agent/log/text_cursor.hpp"

namespace sonde {
namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;
constexpr std::int64_t max_seconds = INT64_MAX / ns_per_s - 1;

// N digits at `at`, or -1.
template <std::size_t N>
int digits(std::string_view text, std::size_t at) {
    if (at + N > text.size()) return -1;
    int value = 0;
    for (std::size_t i = at; i < at + N; ++i) {
        if (!is_digit(text[i])) return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

// Howard Hinnant's days_from_civil: days since 1970-01-01 in the proleptic Gregorian calendar.
constexpr std::int64_t days_from_civil(int year, int month, int day) {
    year -= month <= 2;
    const int era = (year >= 0 ? year : year - 399) / 400;
    const int year_of_era = year - era * 400;
    const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return static_cast<std::int64_t>(era) * 146097 + day_of_era - 719468;
}

constexpr bool is_date(int year, int month, int day) {
    if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1) return false;
    constexpr std::array<int, 12> lengths{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= lengths[static_cast<std::size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
}

// hh:mm:ss at `at` as seconds of the day, or -1
int time_of_day(std::string_view text, std::size_t at) {
    if (at + 8 > text.size() || text[at + 2] != ':' || text[at + 5] != ':') return -1;
    const int hour = digits<2>(text, at), minute = digits<2>(text, at + 3), second = digits<2>(text, at + 6);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return -1;
    return hour * 3600 + minute * 60 + second;
}

// digits behind '.' or ',' as nanoseconds; moves at
std::int64_t fraction_ns(std::string_view text, std::size_t& at) {
    if (at + 1 >= text.size() || (text[at] != '.' && text[at] != ',') || !is_digit(text[at + 1])) return 0;
    std::int64_t value = 0;
    int count = 0;
    for (++at; at < text.size() && is_digit(text[at]); ++at)
        if (count < 9) value = value * 10 + (text[at] - '0'), ++count;
    for (; count < 9; ++count) value *= 10;
    return value;
}

// +hh:mm, +hhmm or +hh; moves at
std::optional<int> numeric_zone_s(std::string_view text, std::size_t& at) {
    if (at >= text.size() || (text[at] != '+' && text[at] != '-')) return {};
    const int sign = text[at] == '-' ? -1 : 1;
    const int hour = digits<2>(text, at + 1);
    if (hour < 0 || hour > 23) return {};
    std::size_t next = at + 3;
    if (next < text.size() && text[next] == ':') ++next;
    int minute = digits<2>(text, next);
    if (minute < 0)
        minute = 0, next = at + 3;
    else
        next += 2;
    if (minute > 59) return {};
    at = next;
    return sign * (hour * 3600 + minute * 60);
}

std::optional<int> zone_s(std::string_view text, std::size_t& at) {
    if (at < text.size() && (text[at] == 'Z' || text[at] == 'z')) return ++at, 0;
    if (const auto zone = numeric_zone_s(text, at)) return zone;
    const auto rest = text.substr(at);
    if (rest.starts_with(" UTC")) return at += 4, 0;
    if (rest == " Z" || rest.starts_with(" Z ")) return at += 2, 0;
    // a sign alone could begin the next field (" - name"): only the whole +hhmm counts behind a space
    if (rest.size() >= 6 && rest[0] == ' ' && digits<4>(rest, 2) >= 0) {
        auto next = at + 1;
        if (const auto zone = numeric_zone_s(text, next)) return at = next, zone;
    }
    return {};
}

LogTime made(std::int64_t seconds, std::int64_t ns, std::size_t used) {
    if (seconds < 0 || seconds > max_seconds) return {};
    return {static_cast<std::uint64_t>(seconds * ns_per_s + ns), used};
}

int month_number(std::string_view name) {
    constexpr std::string_view names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const auto at = names.find(name);
    return name.size() != 3 || at == std::string_view::npos || at % 3 != 0 ? 0 : static_cast<int>(at / 3) + 1;
}

}  // namespace

std::int64_t TimeParser::to_utc(std::int64_t local_s) {
    if (options_.utc_offset_s) return local_s - *options_.utc_offset_s;
    constexpr std::int64_t quarter_s = 900;
    if (local_s / quarter_s != cached_quarter_) {
        const auto as_utc = static_cast<std::time_t>(local_s);
        std::tm fields{};
        ::gmtime_r(&as_utc, &fields);
        fields.tm_isdst = -1;
        const auto utc = std::mktime(&fields);
        cached_offset_s_ = utc == -1 ? 0 : local_s - utc;
        cached_quarter_ = local_s / quarter_s;
    }
    return local_s - cached_offset_s_;
}

LogTime TimeParser::date_time(std::string_view text) {
    if (text.size() < 19 || (text[4] != '-' && text[4] != '/') || text[7] != text[4]) return {};
    if (text[10] != 'T' && text[10] != ' ' && text[10] != 't' && text[10] != '_') return {};
    const int year = digits<4>(text, 0), month = digits<2>(text, 5), day = digits<2>(text, 8);
    const int second = time_of_day(text, 11);
    if (second < 0 || !is_date(year, month, day)) return {};
    const std::int64_t local_s = days_from_civil(year, month, day) * 86400 + second;
    std::size_t at = 19;
    const auto ns = fraction_ns(text, at);
    const auto zone = zone_s(text, at);
    return made(zone ? local_s - *zone : to_utc(local_s), ns, at);
}

LogTime TimeParser::clf(std::string_view text) {
    if (text.size() < 20 || text[2] != '/' || text[6] != '/' || text[11] != ':') return {};
    const int day = digits<2>(text, 0), month = month_number(text.substr(3, 3)), year = digits<4>(text, 7);
    const int second = time_of_day(text, 12);
    if (second < 0 || !is_date(year, month, day)) return {};
    const std::int64_t local_s = days_from_civil(year, month, day) * 86400 + second;
    std::size_t at = 20;
    const auto ns = fraction_ns(text, at);
    std::optional<int> zone;
    if (at < text.size() && text[at] == ' ') {
        auto next = at + 1;
        if ((zone = numeric_zone_s(text, next))) at = next;
    }
    return made(zone ? local_s - *zone : to_utc(local_s), ns, at);
}

LogTime TimeParser::klog(std::string_view text, std::uint64_t now_ns) {
    const bool with_year = digits<8>(text, 0) >= 0;
    const std::size_t date = with_year ? 4 : 0;
    const int month = digits<2>(text, date), day = digits<2>(text, date + 2);
    if (text.size() <= date + 4 || text[date + 4] != ' ') return {};
    const int second = time_of_day(text, date + 5);
    if (second < 0) return {};
    std::size_t at = date + 13;
    const auto ns = fraction_ns(text, at);
    if (with_year) {
        const int year = digits<4>(text, 0);
        if (!is_date(year, month, day)) return {};
        return made(to_utc(days_from_civil(year, month, day) * 86400 + second), ns, at);
    }
    const auto now_s = static_cast<std::int64_t>(now_ns / ns_per_s);
    const int this_year = 1970 + static_cast<int>(now_s / 31556952);  // mean Gregorian year; ±1 is tried below
    std::int64_t best_s = -1;
    for (int year = this_year - 1; year <= this_year + 1; ++year) {
        if (!is_date(year, month, day)) continue;
        const auto seconds = to_utc(days_from_civil(year, month, day) * 86400 + second);
        if (best_s < 0 || std::abs(seconds - now_s) < std::abs(best_s - now_s)) best_s = seconds;
    }
    return best_s < 0 ? LogTime{} : made(best_s, ns, at);
}

LogTime TimeParser::jul(std::string_view text) {
    if (text.size() < 23 || text[3] != ' ') return {};
    std::size_t at = 4;
    int day = digits<2>(text, at);
    if (day < 0)
        day = digits<1>(text, at), at += 1;
    else
        at += 2;
    if (text.substr(at, 2) != ", ") return {};
    const int year = digits<4>(text, at + 2);
    at += 7;
    const bool one_digit = at + 1 < text.size() && text[at + 1] == ':';
    const int hour = one_digit ? digits<1>(text, at) : digits<2>(text, at);
    at += one_digit ? 1 : 2;
    if (text.size() < at + 9 || text[at] != ':' || text[at + 3] != ':' || text[at + 6] != ' ') return {};
    const int minute = digits<2>(text, at + 1), second = digits<2>(text, at + 4);
    const auto half = text.substr(at + 7, 2);
    if (hour < 1 || hour > 12 || minute < 0 || minute > 59 || second < 0 || second > 60) return {};
    if ((half != "AM" && half != "PM") || !is_date(year, month_number(text.substr(0, 3)), day)) return {};
    const int hours = hour % 12 + (half == "PM" ? 12 : 0);
    const auto days = days_from_civil(year, month_number(text.substr(0, 3)), day);
    return made(to_utc(days * 86400 + hours * 3600 + minute * 60 + second), 0, at + 9);
}

LogTime TimeParser::epoch(std::string_view text) {
    std::uint64_t whole = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, whole);
    if (error != std::errc{} || text.size() > 32) return {};
    std::int64_t unit_ns = 1;
    if (whole < 100'000'000'000ULL)
        unit_ns = ns_per_s;
    else if (whole < 100'000'000'000'000ULL)
        unit_ns = 1'000'000;
    else if (whole < 100'000'000'000'000'000ULL)
        unit_ns = 1'000;
    std::int64_t rest_ns = 0;
    if (stop != end) {
        if (*stop == 'e' || *stop == 'E' || text.find_first_of("eE") != std::string_view::npos) {
            double value = 0;
            const auto parsed = std::from_chars(text.data(), end, value);
            if (parsed.ec != std::errc{} || parsed.ptr != end || !(value > 0) || value >= 9.2e18) return {};
            const double seconds = value < 1e11   ? value
                                   : value < 1e14 ? value / 1e3
                                   : value < 1e17 ? value / 1e6
                                                  : value / 1e9;
            return {static_cast<std::uint64_t>(std::llround(seconds * 1e6)) * 1000, text.size()};  // a double holds µs
        }
        auto at = static_cast<std::size_t>(stop - text.data());
        if (*stop != '.') return {};
        rest_ns = fraction_ns(text, at) * unit_ns / ns_per_s;
        if (at != text.size()) return {};
    }
    // a number of seconds before 1973 is a count or a duration, not a time
    if (whole < 100'000'000ULL || whole > static_cast<std::uint64_t>(INT64_MAX / unit_ns) - 1) return {};
    return {whole * static_cast<std::uint64_t>(unit_ns) + static_cast<std::uint64_t>(rest_ns), text.size()};
}

LogTime TimeParser::any(std::string_view text) {
    if (text.size() > 4 && (text[4] == '-' || text[4] == '/'))
        if (const auto time = date_time(text)) return time;
    if (text.size() > 2 && text[2] == '/') return clf(text);
    return epoch(text);
}

}  // namespace sonde
