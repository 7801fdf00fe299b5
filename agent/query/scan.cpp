#include "agent/query/scan.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <tuple>

#include "agent/query/line_source.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t where_most = 5;
constexpr std::uint64_t lines_between_looks = 4096;  // at the clock
constexpr auto progress_every = std::chrono::milliseconds(100);

bool is_event_file(std::string_view name) {
    return name.ends_with(".jsonl") || name.ends_with(".jsonl.gz") || name.ends_with(".jsonl.zst");
}

struct Dated {
    fs::file_time_type time;
    ScannedFile file;
    bool operator<(const Dated& other) const {
        return std::tie(time, file.path) < std::tie(other.time, other.file.path);
    }
};

Status add_directory(const std::string& path, std::vector<ScannedFile>& out) {
    std::error_code error;
    std::vector<Dated> found;
    for (auto at = fs::directory_iterator(path, error); !error && at != fs::directory_iterator(); at.increment(error)) {
        if (!is_event_file(at->path().filename().string()) || !at->is_regular_file(error)) continue;
        // a file that rotation takes away meanwhile is no error
        std::error_code gone;
        const auto time = at->last_write_time(gone);
        const auto size = at->file_size(gone);
        if (!gone) found.push_back({time, {at->path().string(), size}});
    }
    if (error) return fail("cannot read " + path + ": " + error.message());
    if (found.empty())
        return fail("there is no events file in " + path,
                    "run sonde with --events " + path + ", or name another directory");
    std::sort(found.begin(), found.end());
    for (auto& one : found) out.push_back(std::move(one.file));
    return done();
}

class Scanner {
public:
    Scanner(LineFilter& filter, const std::function<bool(std::string_view, const EventFields&)>& match,
            const std::function<void(const ScanStats&)>& progress)
        : filter_(filter), match_(match), progress_(progress), parser_(&filter) {}

    // False: the caller has enough.
    bool file(const ScannedFile& file, ScanStats& stats) {
        auto source = ByteSource::open(file.path);
        if (!source) {
            note(stats, source.error().message());
            return true;
        }
        LineSource lines(std::move(*source));
        const auto bytes_before = stats.bytes, file_bytes_before = stats.file_bytes;
        std::uint64_t number = 0;
        bool more = true;
        for (LineSource::Line line; more && lines.next(line);) {
            ++number;
            more = take(line, file.path, number, stats);
            if (number % lines_between_looks != 0) continue;
            stats.bytes = bytes_before + lines.bytes();
            stats.file_bytes = file_bytes_before + lines.file_bytes();
            look(stats);
        }
        stats.bytes = bytes_before + lines.bytes();
        stats.file_bytes = file_bytes_before + lines.file_bytes();
        if (!lines.error().empty()) note(stats, lines.error());
        return more;
    }

private:
    bool take(const LineSource::Line& line, const std::string& path, std::uint64_t number, ScanStats& stats) {
        if (line.text.empty()) return true;
        ++stats.lines;
        if (line.too_long) {
            ++stats.damaged;
            note(stats, path + ":" + std::to_string(number) + ": longer than 1 MiB");
            return true;
        }
        if (!filter_.may_match(line.text)) return true;
        const auto state = parser_.parse(line.text);
        if (state == LineState::uninteresting) return true;
        if (state == LineState::damaged) {
            ++(line.has_newline ? stats.damaged : stats.torn);
            note(stats,
                 path + ":" + std::to_string(number) + (line.has_newline ? ": not JSON" : ": cut off at the end"));
            return true;
        }
        if (!filter_.matches(parser_.fields())) return true;
        ++stats.matched;
        return match_(line.text, parser_.fields());
    }
    static void note(ScanStats& stats, std::string what) {
        if (stats.where.size() < where_most) stats.where.push_back(std::move(what));
    }
    void look(const ScanStats& stats) {
        if (!progress_) return;
        const auto now = std::chrono::steady_clock::now();
        if (now < next_look_) return;
        next_look_ = now + progress_every;
        progress_(stats);
    }

    LineFilter& filter_;
    const std::function<bool(std::string_view, const EventFields&)>& match_;
    const std::function<void(const ScanStats&)>& progress_;
    EventLineParser parser_;
    std::chrono::steady_clock::time_point next_look_{};
};

}  // namespace

Result<std::vector<ScannedFile>> find_event_files(const std::vector<std::string>& paths) {
    std::vector<ScannedFile> out;
    for (const auto& path : paths) {
        std::error_code error;
        const auto status = fs::status(path, error);
        if (status.type() == fs::file_type::not_found)
            return fail("there is no " + path, "name the directory that sonde runs with (--events), or files in it");
        if (error) return fail("cannot look at " + path + ": " + error.message());
        if (fs::is_directory(status)) {
            if (const auto added = add_directory(path, out); !added) return added.error();
        } else {
            const auto size = fs::is_regular_file(status) ? fs::file_size(path, error) : 0;
            out.push_back({path, error ? 0 : size});
        }
    }
    return out;
}

ScanStats scan(const std::vector<ScannedFile>& files, LineFilter& filter,
               const std::function<bool(std::string_view line, const EventFields& fields)>& match,
               const std::function<void(const ScanStats&)>& progress) {
    ScanStats stats;
    Scanner scanner(filter, match, progress);
    for (const auto& file : files)
        if (!scanner.file(file, stats)) break;
    return stats;
}

}  // namespace sonde
