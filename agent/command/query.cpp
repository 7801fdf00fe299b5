#include "agent/command/query.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <queue>

#include "agent/api/answer.hpp"
#include "agent/command/agent_client.hpp"
#include "agent/command/commands.hpp"
#include "agent/command/terminal.hpp"
#include "agent/command/terminal_text.hpp"
#include "agent/query/groups.hpp"
#include "agent/query/scan.hpp"

namespace sonde {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// Lines for people: the time in UTC to the millisecond, what, how long.
class LineTable {
public:
    LineTable(bool as_json, bool with_logs) : json_(as_json), logs_(with_logs), route_width_(shape()) {}

    void add(std::string_view line, const EventFields& fields) {
        if (json_) {
            std::fwrite(line.data(), 1, line.size(), stdout);
            std::fputc('\n', stdout);
            return;
        }
        if (!titled_) {
            titled_ = true;
            put("TIME", "SERVICE", "METHOD PATH", "STATUS", "DURATION", "OUTCOME");
        }
        const auto what = fields.type == "transaction" ? printable(fields.method) + " " +
                                                             printable(fields.path.empty() ? fields.route : fields.path)
                                                       : printable(fields.type);
        put(printable(fields.time.substr(0, 23)), printable(fields.service.empty() ? "-" : fields.service), what,
            fields.status == 0 ? "-" : std::to_string(fields.status),
            fields.has_duration ? readable_duration(fields.duration_ns) : "-", printable(fields.outcome));
        if (logs_) put_logs(line);
    }

private:
    static constexpr std::size_t time_width = 23, service_width = 20, others_width = 6 + 1 + 9 + 1 + 10 + 3;
    // On a terminal what does not fit is cut; elsewhere nothing is.
    static std::size_t shape() {
        if (!is_terminal(STDOUT_FILENO)) return 0;
        const auto columns = static_cast<std::size_t>(std::max(80, terminal_size(STDOUT_FILENO).columns));
        return columns - time_width - service_width - others_width;
    }
    void put(const std::string& time, const std::string& service, const std::string& what, const std::string& status,
             const std::string& duration, const std::string& outcome) const {
        const auto cut = [this](const std::string& text, std::size_t width) {
            return route_width_ > 0 ? fit_left(text, width) : fit_left(text, std::max(width, text.size()));
        };
        std::printf("%s %s %s %6s %s %s\n", fit_left(time, time_width).c_str(), cut(service, service_width).c_str(),
                    cut(what, route_width_ > 0 ? route_width_ : 40).c_str(), status.c_str(),
                    fit_right(duration, 9).c_str(), outcome.c_str());
    }

    static void put_logs(std::string_view line) {
        json::error_code error;
        const auto value = json::parse({line.data(), line.size()}, error);
        if (error || !value.is_object()) return;
        for (const auto& log : array_at(value.as_object(), "logs"))
            if (log.is_object())
                std::printf(
                    "%s  | %s %s\n",
                    fit_left(printable(text_at(log.as_object(), "time")).substr(0, time_width), time_width).c_str(),
                    printable(text_at(log.as_object(), "level")).c_str(),
                    printable(text_at(log.as_object(), "message")).c_str());
    }

    const bool json_, logs_;
    const std::size_t route_width_;  // 0: nothing is cut
    bool titled_ = false;
};

struct Slow {
    std::uint64_t duration_ns;
    std::string line;
    bool operator<(const Slow& other) const { return duration_ns > other.duration_ns; }  // the shortest on top
};

// The N longest, in memory of N lines.
class SlowestLines {
public:
    explicit SlowestLines(std::size_t most) : most_(most) {}
    void add(std::string_view line, std::uint64_t duration_ns) {
        if (heap_.size() == most_) {
            if (duration_ns <= heap_.top().duration_ns) return;
            heap_.pop();
        }
        heap_.push({duration_ns, std::string(line)});
    }
    std::vector<std::string> take() {
        std::vector<std::string> out;
        for (; !heap_.empty(); heap_.pop()) out.push_back(heap_.top().line);
        std::reverse(out.begin(), out.end());
        return out;
    }

private:
    const std::size_t most_;
    std::priority_queue<Slow> heap_;
};

double error_percent(const Group& group) { return group.count > 0 ? 100 * group.errors / group.count : 0; }

void print_groups_json(const Groups& groups, const std::vector<const Group*>& rows) {
    for (const auto* row : rows) {
        json::object out;
        for (std::size_t i = 0; i < row->names.size(); ++i)
            out[group_by_names[static_cast<std::size_t>(groups.by()[i])]] = row->names[i];
        out["count"] = json_number(row->count);
        out["lines"] = row->lines;
        out["errors"] = json_number(row->errors);
        out["error_share"] = json_number(row->count > 0 ? row->errors / row->count : 0);
        out["mean_ns"] = json_number(row->count > 0 ? std::floor(row->duration_ns / row->count) : 0);
        out["p50_ns"] = row->durations.quantile_ns(0.5);
        out["p95_ns"] = row->durations.quantile_ns(0.95);
        out["p99_ns"] = row->durations.quantile_ns(0.99);
        out["max_ns"] = row->durations.max_ns();
        std::printf("%s\n", json::serialize(out).c_str());
    }
}

void print_groups(const Groups& groups, const std::vector<const Group*>& rows) {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < groups.by().size(); ++i) {
        const auto name = group_by_names[static_cast<std::size_t>(groups.by()[i])];
        widths.push_back(name.size());
        for (const auto* row : rows) widths[i] = std::max(widths[i], std::min<std::size_t>(60, row->names[i].size()));
    }
    std::string title;
    for (std::size_t i = 0; i < widths.size(); ++i) {
        std::string name(group_by_names[static_cast<std::size_t>(groups.by()[i])]);
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return static_cast<char>(std::toupper(c)); });
        title += fit_left(name, widths[i]) + "  ";
    }
    std::printf("%s   COUNT  ERR%%       p50       p95       p99       max\n", title.c_str());
    for (const auto* row : rows) {
        std::string line;
        for (std::size_t i = 0; i < widths.size(); ++i) line += fit_left(printable(row->names[i]), widths[i]) + "  ";
        line += fit_right(readable_count(row->count), 8) + fit_right(readable_percent(error_percent(*row)), 6);
        for (const double q : {0.5, 0.95, 0.99})
            line += fit_right(readable_duration(row->durations.quantile_ns(q)), 10);
        line += fit_right(readable_duration(row->durations.max_ns()), 10);
        std::printf("%s\n", line.c_str());
    }
}

// On a terminal: how far it is, on one line of stderr that is wiped in the end.
class Progress {
public:
    // streams: lines go to stdout meanwhile, and would be mixed with it on one terminal.
    Progress(const std::vector<ScannedFile>& files, bool streams)
        : terminal_(is_terminal(STDERR_FILENO)),
          shown_(terminal_ && !(streams && is_terminal(STDOUT_FILENO))),
          started_(Clock::now()) {
        for (const auto& file : files) total_ += file.bytes;
    }
    void show(const ScanStats& stats) const {
        if (!shown_) return;
        std::fprintf(stderr, "\r\x1b[K%s of %s, %s/s, %s lines match",
                     readable_bytes(static_cast<double>(stats.file_bytes)).c_str(),
                     readable_bytes(static_cast<double>(total_)).c_str(),
                     readable_bytes(static_cast<double>(stats.bytes) / seconds()).c_str(),
                     readable_count(static_cast<double>(stats.matched)).c_str());
    }
    void wipe() const {
        if (shown_) std::fputs("\r\x1b[K", stderr);
    }
    void finish(const ScanStats& stats, double seconds_taken) const {
        if (!terminal_) return;
        std::fprintf(stderr, "%s lines match of %s; %s (%s on disk) in %.2f s: %s/s\n",
                     readable_count(static_cast<double>(stats.matched)).c_str(),
                     readable_count(static_cast<double>(stats.lines)).c_str(),
                     readable_bytes(static_cast<double>(stats.bytes)).c_str(),
                     readable_bytes(static_cast<double>(stats.file_bytes)).c_str(), seconds_taken,
                     readable_bytes(static_cast<double>(stats.bytes) / seconds_taken).c_str());
    }

    [[nodiscard]] double seconds() const {
        return std::max(1e-3, std::chrono::duration<double>(Clock::now() - started_).count());
    }

private:
    const bool terminal_, shown_;
    const Clock::time_point started_;
    std::uint64_t total_ = 0;
};

void report_damage(const ScanStats& stats) {
    if (stats.damaged + stats.torn == 0 && stats.where.empty()) return;
    std::fprintf(stderr, "sonde: %llu damaged and %llu torn lines were left out:\n",
                 static_cast<unsigned long long>(stats.damaged), static_cast<unsigned long long>(stats.torn));
    for (const auto& where : stats.where) std::fprintf(stderr, "  %s\n", printable(where).c_str());
}

// One of the three ways to answer.
class Answer {
public:
    Answer(const QueryOptions& options, std::vector<GroupBy> by)
        : options_(options), table_(options.json, options.logs), slowest_(options.slowest), groups_(std::move(by)) {}

    bool take(std::string_view line, const EventFields& fields) {
        if (!groups_.by().empty()) {
            groups_.add(fields);
        } else if (options_.slowest > 0) {
            if (fields.has_duration) slowest_.add(line, fields.duration_ns);
        } else {
            table_.add(line, fields);
            return options_.limit == 0 || ++shown_ < options_.limit;
        }
        return !StopSignals::stop_requested();
    }
    void finish() {
        if (!groups_.by().empty()) {
            auto rows = groups_.sorted(options_.sort);
            if (options_.limit > 0 && rows.size() > options_.limit) rows.resize(options_.limit);
            options_.json ? print_groups_json(groups_, rows) : print_groups(groups_, rows);
            if (groups_.overflowed() > 0)
                std::fprintf(stderr, "sonde: there are more than %zu groups; %llu lines are in {other}\n",
                             Groups::max_groups_default, static_cast<unsigned long long>(groups_.overflowed()));
        }
        EventLineParser parser;
        for (const auto& line : slowest_.take())
            if (parser.parse(line) == LineState::good) table_.add(line, parser.fields());
    }

private:
    const QueryOptions& options_;
    LineTable table_;
    SlowestLines slowest_;
    Groups groups_;
    std::uint64_t shown_ = 0;
};

}  // namespace

int query_command(const QueryOptions& options) {
    const StopSignals signals;
    const auto now_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
    auto filter = LineFilter::make(options.filter, now_ns);
    if (!filter) return report(filter.error());
    auto by = parse_group_by(options.group_by);
    if (!by) return report(by.error());
    const auto files = find_event_files(options.paths);
    if (!files) return report(files.error());

    Answer answer(options, std::move(*by));
    const Progress progress(*files, options.group_by.empty() && options.slowest == 0);
    const auto stats = scan(
        *files, *filter,
        [&](std::string_view line, const EventFields& fields) {
            return answer.take(line, fields) && std::ferror(stdout) == 0;
        },
        [&](const ScanStats& so_far) { progress.show(so_far); });
    const auto scanned_s = progress.seconds();
    progress.wipe();
    answer.finish();
    std::fflush(stdout);
    progress.finish(stats, scanned_s);
    report_damage(stats);
    return 0;
}

}  // namespace sonde
