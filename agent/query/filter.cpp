#include "agent/query/filter.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace sonde {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A number and a unit; negative: it is none.
double scaled(std::string_view text, std::initializer_list<std::pair<std::string_view, double>> units) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || value < 0 || !std::isfinite(value)) return -1;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    for (const auto& [name, ns] : units)
        if (unit == name) return value * ns < 9e18 ? value * ns : -1;
    return -1;
}

Error bad_option(const char* option, std::string_view value, const char* wanted) {
    return fail(std::string(option) + " '" + std::string(value) + "' cannot be understood", wanted, ErrorKind::usage);
}

// The longest run of characters that every JSON writer leaves as they are.
std::string plain_run(std::string_view text) {
    std::string_view best;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        const bool plain = i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) != 0 ||
                                               text[i] == '_' || text[i] == '-' || text[i] == '.');
        if (plain) continue;
        if (i - begin > best.size()) best = text.substr(begin, i - begin);
        begin = i + 1;
    }
    return std::string(best);
}

}  // namespace

Result<std::uint64_t> parse_duration_ns(std::string_view text) {
    const auto ns =
        scaled(text, {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}});
    if (ns < 0) return bad_option("duration", text, "write a number with ns, us, ms, s, m or h, as in 100ms");
    return static_cast<std::uint64_t>(ns);
}

Result<std::uint64_t> parse_time_bound(std::string_view text, std::uint64_t now_ns) {
    if (text == "now") return now_ns;
    const auto age = scaled(text.starts_with('-') ? text.substr(1) : text,
                            {{"s", 1e9}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {"d", 86400e9}});
    if (age >= 0) return now_ns - std::min(now_ns, static_cast<std::uint64_t>(age));
    std::string full(text);
    if (full.size() > 10 && full[10] == ' ') full[10] = 'T';
    if (full.size() > 10 && full.back() == 'Z') full.pop_back();
    constexpr std::string_view rest = "0000-00-00T00:00:00";
    if (full.size() == 10 || full.size() == 13 || full.size() == 16) full += rest.substr(full.size());
    if (const auto ns = parse_event_time(full + "Z"); ns > 0) return ns;
    return bad_option("time", text, "write 2026-01-02T03:04:05 (UTC), a date, or an age as in 15m, 2h, 1d");
}

Result<LineFilter> LineFilter::make(const LineFilterOptions& options, std::uint64_t now_ns) {
    LineFilter filter(options);
    if (!options.from.empty()) {
        const auto from = parse_time_bound(options.from, now_ns);
        if (!from) return from.error();
        filter.from_ns_ = *from;
    }
    if (!options.to.empty()) {
        const auto to = parse_time_bound(options.to, now_ns);
        if (!to) return to.error();
        filter.to_ns_ = *to;
    }
    if (filter.from_ns_ > filter.to_ns_) return fail("--from is after --to", "exchange them", ErrorKind::usage);
    filter.by_time_ = !options.from.empty() || !options.to.empty();
    if (const auto status = filter.parse_status(); !status) return status.error();
    if (const auto duration = filter.parse_duration(); !duration) return duration.error();
    filter.choose_needles();
    return filter;
}

Status LineFilter::parse_status() {
    std::string_view rest = options_.status;
    while (!rest.empty()) {
        const auto comma = rest.find(',');
        const auto one = rest.substr(0, comma);
        rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
        const bool is_class = one.size() == 3 && is_digit(one[0]) && one.substr(1) == "xx";
        if (!is_class && !(one.size() == 3 && std::all_of(one.begin(), one.end(), is_digit)))
            return bad_option("--status", one, "write 503 or 5xx, several with commas");
        statuses_.push_back(is_class ? static_cast<std::uint16_t>(one[0] - '0')
                                     : static_cast<std::uint16_t>(std::stoi(std::string(one))));
    }
    return done();
}

Status LineFilter::parse_duration() {
    std::string_view text = options_.duration;
    if (text.empty()) return done();
    by_duration_ = true;
    const auto read = [](std::string_view one, std::uint64_t& into) -> Status {
        const auto ns = parse_duration_ns(one);
        if (!ns) return ns.error();
        into = *ns;
        return done();
    };
    if (const auto dots = text.find(".."); dots != std::string_view::npos) {
        if (const auto low = read(text.substr(0, dots), min_ns_); !low) return low;
        return read(text.substr(dots + 2), max_ns_);
    }
    const bool less = text[0] == '<';
    if (text[0] != '>' && !less) return read(text, min_ns_);
    const bool equal = text.size() > 1 && text[1] == '=';
    auto& bound = less ? max_ns_ : min_ns_;
    if (const auto read_bound = read(text.substr(equal ? 2 : 1), bound); !read_bound) return read_bound;
    if (!equal && less && bound > 0) --bound;
    if (!equal && !less) ++bound;
    return done();
}

// Texts that a matching line holds whatever wrote it.
void LineFilter::choose_needles() {
    for (const auto* wanted : {&options_.service, &options_.route, &options_.path, &options_.method})
        if (auto run = plain_run(*wanted); run.size() >= 3) needles_.push_back(std::move(run));
    if (!options_.outcome.empty()) needles_.push_back(options_.outcome);
    if (!options_.text.empty()) needles_.push_back(options_.text);
    if (statuses_.size() == 1 && statuses_[0] >= 100) needles_.push_back(std::to_string(statuses_[0]));
}

bool LineFilter::may_match(std::string_view line) const {
    return std::all_of(needles_.begin(), needles_.end(), [line](const std::string& needle) {
        return ::memmem(line.data(), line.size(), needle.data(), needle.size()) != nullptr;
    });
}

bool LineFilter::status_matches(std::uint16_t status) const {
    return std::any_of(statuses_.begin(), statuses_.end(), [status](std::uint16_t wanted) {
        return wanted < 10 ? status / 100 == wanted : status == wanted;
    });
}

bool LineFilter::still(const EventFields& fields, std::string_view field) {
    if (field == "type") return options_.type == "any" || fields.type == options_.type;
    if (field == "time") {
        time_ns_ = parse_event_time(fields.time);
        return !by_time_ || (time_ns_ >= from_ns_ && time_ns_ < to_ns_);
    }
    if (field == "side") return options_.side.empty() || fields.side == options_.side;
    if (field == "service") return options_.service.empty() || fields.service == options_.service;
    if (field == "method") return options_.method.empty() || fields.method == options_.method;
    if (field == "route") return options_.route.empty() || fields.route == options_.route;
    if (field == "path") return options_.path.empty() || fields.path == options_.path;
    if (field == "outcome") return options_.outcome.empty() || fields.outcome == options_.outcome;
    if (field == "status") return statuses_.empty() || status_matches(fields.status);
    return true;
}

bool LineFilter::matches(const EventFields& fields) const {
    // what a line does not have was never asked about
    const auto has = [](const std::string& wanted, std::string_view value) {
        return wanted.empty() || value == wanted;
    };
    return (options_.type == "any" || fields.type == options_.type) && (!by_time_ || !fields.time.empty()) &&
           has(options_.side, fields.side) && has(options_.service, fields.service) &&
           has(options_.method, fields.method) && has(options_.route, fields.route) &&
           has(options_.path, fields.path) && has(options_.outcome, fields.outcome) &&
           (statuses_.empty() || status_matches(fields.status)) &&
           (!by_duration_ || (fields.has_duration && fields.duration_ns >= min_ns_ && fields.duration_ns <= max_ns_));
}

}  // namespace sonde
