#include "sinks/file/rotation.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <tuple>

namespace sonde {
namespace {

constexpr std::string_view extension = ".jsonl";
constexpr std::string_view partial_suffix = ".tmp";
constexpr std::uint64_t ms_per_day = 86'400'000;

bool take_suffix(std::string_view& text, std::string_view suffix) {
    if (!text.ends_with(suffix)) return false;
    text.remove_suffix(suffix.size());
    return true;
}

// The digits of `text` at [at, at + count) as a number; nullopt where one is no digit.
std::optional<unsigned> number_at(std::string_view text, std::size_t at, std::size_t count) {
    unsigned value = 0;
    for (const char c : text.substr(at, count)) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value;
}

// 20260102T030405.123Z
std::optional<std::uint64_t> parse_stamp(std::string_view text) {
    if (text.size() != 20 || text[8] != 'T' || text[15] != '.' || text[19] != 'Z') return std::nullopt;
    const auto year = number_at(text, 0, 4), month = number_at(text, 4, 2), day = number_at(text, 6, 2);
    const auto hour = number_at(text, 9, 2), minute = number_at(text, 11, 2), second = number_at(text, 13, 2);
    const auto ms = number_at(text, 16, 3);
    if (!year || !month || !day || !hour || !minute || !second || !ms) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                                           std::chrono::day(*day)};
    if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    if (days < 0) return std::nullopt;
    return static_cast<std::uint64_t>(days) * ms_per_day + ((*hour * 60ULL + *minute) * 60 + *second) * 1000 + *ms;
}

}  // namespace

std::string_view suffix_of(Compression compression) {
    constexpr std::array<std::string_view, 3> suffixes{"", ".zst", ".gz"};
    return suffixes[static_cast<std::size_t>(compression)];
}

std::string rotated_name(std::string_view stem, std::uint64_t stamp_ms) {
    const std::chrono::year_month_day date{
        std::chrono::sys_days{std::chrono::days{static_cast<int>(stamp_ms / ms_per_day)}}};
    const auto ms = static_cast<unsigned>(stamp_ms % ms_per_day);
    std::array<char, 48> stamp;
    const int size =
        std::snprintf(stamp.data(), stamp.size(), "-%04d%02u%02uT%02u%02u%02u.%03uZ", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), ms / 3'600'000,
                      ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
    std::string name(stem);
    name.append(stamp.data(), static_cast<std::size_t>(size));
    return name.append(extension);
}

std::optional<RotatedFile> parse_rotated_name(std::string_view stem, std::string_view name) {
    RotatedFile file{.name = std::string(name)};
    file.partial = take_suffix(name, partial_suffix);
    if (take_suffix(name, suffix_of(Compression::zstd)))
        file.compression = Compression::zstd;
    else if (take_suffix(name, suffix_of(Compression::gzip)))
        file.compression = Compression::gzip;
    if (file.partial && file.compression == Compression::none) return std::nullopt;
    if (!take_suffix(name, extension) || !name.starts_with(stem)) return std::nullopt;
    name.remove_prefix(stem.size());
    if (!name.starts_with('-')) return std::nullopt;
    const auto stamp = parse_stamp(name.substr(1));
    if (!stamp) return std::nullopt;
    file.stamp_ms = *stamp;
    return file;
}

std::vector<RotatedFile> list_rotated(const std::string& directory, std::string_view stem) {
    std::vector<RotatedFile> files;
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), ::closedir);
    if (!listing) return files;
    while (const auto* entry = ::readdir(listing.get())) {
        auto file = parse_rotated_name(stem, entry->d_name);
        struct stat status {};
        // gone meanwhile, or a link or directory of somebody who likes our names: not ours to delete
        if (!file || ::fstatat(::dirfd(listing.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        file->bytes = static_cast<std::uint64_t>(status.st_size);
        files.push_back(std::move(*file));
    }
    std::ranges::sort(files, {}, [](const RotatedFile& file) { return std::tie(file.stamp_ms, file.name); });
    return files;
}

std::size_t expired_count(std::span<const RotatedFile> files, const RetentionOptions& options, std::uint64_t now_ms,
                          std::uint64_t current_bytes) {
    std::uint64_t total = current_bytes;
    std::size_t left = 0;  // a compression under way takes space and is no file of its own
    for (const auto& file : files) {
        total += file.bytes;
        left += file.partial ? 0 : 1;
    }
    std::size_t count = 0;
    for (; count < files.size(); ++count) {
        const auto& oldest = files[count];
        const bool too_many = options.max_files != 0 && left > options.max_files;
        const bool too_old = options.max_age_s != 0 && oldest.stamp_ms + options.max_age_s * 1000 < now_ms;
        const bool too_large = options.max_total_bytes != 0 && total > options.max_total_bytes;
        if (!too_many && !too_old && !too_large) break;
        total -= oldest.bytes;
        left -= oldest.partial ? 0 : 1;
    }
    return count;
}

void clean_rotated(const std::string& directory, std::string_view stem) {
    const auto files = list_rotated(directory, stem);
    for (const auto& file : files) {
        const bool has_copy =
            file.compression == Compression::none && std::ranges::any_of(files, [&](const auto& other) {
                return other.stamp_ms == file.stamp_ms && !other.partial && other.compression != Compression::none;
            });
        if (file.partial || has_copy) ::unlink((directory + "/" + file.name).c_str());
    }
}

}  // namespace sonde
