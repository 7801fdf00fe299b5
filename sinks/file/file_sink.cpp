#include "sinks/file/file_sink.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "sinks/event_json.hpp"

namespace sonde {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t line_capacity_bytes = 16 * 1024;  // of the longest line, all of it escaped, more than that
constexpr auto retry_after = 1s;

std::atomic<std::uint64_t> rotation_requests{0};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a signal handler counts it up");

std::string without_slashes(std::string path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
}

// A file that is durable under a name that is not would be lost all the same.
int sync_directory(FileIo& io, const std::string& directory) {
    const int fd = io.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    return fd < 0 ? fd : io.sync_data(UniqueFd(fd).get());
}

bool is_full(int error) { return error == ENOSPC || error == EDQUOT; }

}  // namespace

void FileSink::request_rotation() noexcept { rotation_requests.fetch_add(1, std::memory_order_relaxed); }

Result<std::unique_ptr<FileSink>> FileSink::open(const std::string& directory) {
    FileSinkOptions options;
    options.directory = directory;
    return open(options);
}

Result<std::unique_ptr<FileSink>> FileSink::open(const FileSinkOptions& options, FileIo& io,
                                                 const FileWriter::MakeChannel& make_channel) {
    if (auto status = validate(options); !status) return status.error();
    std::unique_ptr<FileSink> sink(new FileSink(options, io, make_channel));
    if (auto status = sink->start(); !status) return status.error();
    return sink;
}

FileSink::FileSink(FileSinkOptions options, FileIo& io, const FileWriter::MakeChannel& make_channel)
    : options_(std::move(options)),
      directory_(without_slashes(options_.directory)),
      path_(directory_ + "/" + options_.stem + ".jsonl"),
      io_(io),
      writer_(io, options_.preallocate_bytes, make_channel) {
    line_.reserve(line_capacity_bytes);
}

Status FileSink::start() {
    auto file = open_event_file(io_, path_, options_.file);
    if (!file) return file.error();
    clean_rotated(directory_, options_.stem);
    if (const auto rotated = list_rotated(directory_, options_.stem); !rotated.empty())
        last_stamp_ms_ = rotated.back().stamp_ms;
    rotations_asked_ = rotation_requests.load(std::memory_order_relaxed);
    const auto modified_s = static_cast<std::uint64_t>(file->modified_s);
    const bool has_lines = file->bytes > 0;
    use(std::move(*file));
    if (options_.rotate_interval_s != 0 && has_lines) period_ = modified_s / options_.rotate_interval_s;
    if (options_.compression != Compression::none)
        compressor_ = std::make_unique<Compressor>(directory_, options_.stem, options_.compression,
                                                   options_.compression_level, options_.compress_only_when_idle);
    apply_retention();
    publish();
    return done();
}

FileSink::~FileSink() {
    if (!file_.lock) return;
    const bool whole = write_pending();
    if (whole && options_.fsync != FsyncPolicy::never) writer_.sync();
    writer_.detach();
    // A full disk may have cut the last line: readers need not wait for the next start to be rid of it.
    if (!whole) cut_torn_line(io_, file_.lock.get());
    publish();
}

void FileSink::use(EventFile file) {
    status_->repaired_bytes += file.cut_bytes;
    if (file.cut_bytes > 0)
        std::fprintf(stderr, "sonde: sink %s: %llu bytes of a torn last line were cut off %s\n", options_.name.c_str(),
                     static_cast<unsigned long long>(file.cut_bytes), path_.c_str());
    writer_.attach({std::move(file.buffered), std::move(file.direct), file.bytes, options_.rotate_bytes});
    flushed_offset_ = anchored_offset_ = file.bytes;
    if (options_.rotate_interval_s != 0) period_ = wall_clock_ms() / 1000 / options_.rotate_interval_s;
    file_ = std::move(file);
    if (options_.fsync != FsyncPolicy::never && sync_directory(io_, directory_) < 0) ++other_errors_;
}

void FileSink::write(const Record& record) {
    line_.clear();
    append_event_json(line_, record);
    ++records_;
    if (!file_.lock) {
        const bool fits = carried_.size() + line_.size() <= FileWriter::ring_bytes;
        if (fits) carried_ += line_;
        failed_records_ += fits ? 0 : 1;
        return;
    }
    const bool too_large = options_.rotate_bytes != 0 && writer_.end_offset() > 0 &&
                           writer_.end_offset() + line_.size() > options_.rotate_bytes;
    if (too_large || rotation_requests.load(std::memory_order_relaxed) != rotations_asked_) rotate_if_due(line_.size());
    if (writer_.append(line_)) return;
    // Under load memory fills between two flushes: space that retention can free is freed at once.
    const bool may_free = is_full(writer_.last_errno()) && Clock::now() >= next_freeing_;
    if (may_free && write_pending() && writer_.append(line_)) return;
    ++failed_records_;
}

Status FileSink::flush() {
    auto status = look_after_file();
    if (status && !write_pending()) status = cannot_write(writer_.last_errno());
    if (status) {
        flushed_offset_ = writer_.end_offset();
        status = keep_durable();
    }
    status_->able.store(static_cast<bool>(status), std::memory_order_relaxed);
    if (status) {
        rotate_if_due();
        if (Clock::now() >= next_retention_) apply_retention();
    }
    status_->set_why(status ? rotation_trouble_ : status.error().what);
    publish();
    return status;
}

// Writes what waits; a full disk is given room first, where that is allowed.
bool FileSink::write_pending() {
    while (!writer_.flush()) {
        if (!is_full(writer_.last_errno()) || !free_space()) return false;
    }
    return true;
}

// `coming_bytes` are about to be appended.
bool FileSink::rotation_due(std::size_t coming_bytes) {
    const auto asked = rotation_requests.load(std::memory_order_relaxed);
    if (std::exchange(rotations_asked_, asked) != asked) rotation_wanted_ = true;
    if (writer_.end_offset() == 0) rotation_wanted_ = false;  // an empty file is as good as a new one
    const bool too_large = options_.rotate_bytes != 0 && writer_.end_offset() + coming_bytes > options_.rotate_bytes;
    const bool too_long =
        options_.rotate_interval_s != 0 && wall_clock_ms() / 1000 / options_.rotate_interval_s != period_;
    return writer_.end_offset() > 0 && (rotation_wanted_ || too_large || too_long);
}

// True: something was deleted.
bool FileSink::free_space() {
    writer_.release_reserved();
    next_freeing_ = Clock::now() + retry_after;
    if (!options_.retention.free_space_when_full) return false;
    const auto files = list_rotated(directory_, options_.stem);
    if (files.empty()) return false;
    return remove(files.front());
}

Status FileSink::keep_durable() {
    const auto failed = [&] {
        return fail("cannot make " + path_ + " durable: " + std::generic_category().message(writer_.sync_errno()),
                    "what was written since the last good sync may be lost in a power cut; look at the disk");
    };
    const auto doubtful = writer_.stats().doubtful_bytes;
    if (options_.fsync == FsyncPolicy::batch) {
        if (!writer_.sync()) return failed();
    } else if (options_.fsync == FsyncPolicy::interval) {
        writer_.poll();
        if (const auto now = Clock::now(); now >= next_sync_) {
            writer_.start_sync();
            next_sync_ = now + std::chrono::milliseconds(options_.fsync_interval_ms);
        }
    }
    return writer_.stats().doubtful_bytes == doubtful ? done() : failed();
}

void FileSink::publish() {
    const auto& stats = writer_.stats();
    const auto set = [](FileSinkStatus::Count& count, std::uint64_t value) {
        count.store(value, std::memory_order_relaxed);
    };
    set(status_->appended_bytes, stats.appended_bytes);
    set(status_->written_bytes, stats.written_bytes);
    set(status_->durable_bytes, stats.durable_bytes);
    set(status_->doubtful_bytes, stats.doubtful_bytes);
    set(status_->rejected_bytes, stats.rejected_bytes);
    set(status_->file_bytes, writer_.written_offset());
    set(status_->errors, stats.errors + other_errors_);
}

Error FileSink::cannot_write(int error) const {
    return fail(
        "cannot write to " + path_ + ": " + std::generic_category().message(error),
        "records wait in memory and are then dropped; free space, or choose another directory with --events DIR");
}

SinkStats FileSink::stats() const {
    const auto& writer = writer_.stats();
    SinkStats stats;
    stats.records = records_;
    stats.bytes = writer.written_bytes;
    stats.failed_records = failed_records_;
    stats.errors = writer.errors + other_errors_;
    return stats;
}

}  // namespace sonde
