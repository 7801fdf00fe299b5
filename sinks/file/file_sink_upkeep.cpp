// What a file sink does besides writing: it follows its name, changes files, and deletes old ones.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "sinks/file/file_sink.hpp"

namespace sonde {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t copy_bytes = 256 * 1024;
constexpr auto rotation_retry_after = 1s;
constexpr auto retention_every = 60s;  // for the age of files; their number and size change with rotations only

}  // namespace

std::uint64_t FileSink::wall_clock_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

// Is the file still where readers look for it, and as long as it was?
Status FileSink::look_after_file() {
    if (!file_.lock) return find_file();
    const auto place = find_place(io_, path_, file_);
    if (place == FilePlace::moved || place == FilePlace::removed) return reopen(place);
    if (place == FilePlace::unknown) return done();  // the write will tell
    anchored_offset_ = flushed_offset_;
    struct stat status {};
    const bool shorter = io_.fstat(file_.lock.get(), status) == 0 &&
                         static_cast<std::uint64_t>(status.st_size) < writer_.written_offset();
    return shorter ? go_on_after_truncation() : done();
}

Status FileSink::reopen(FilePlace place) {
    // Who moves a file expects what was written before to be in it.
    if (place == FilePlace::moved) writer_.flush();
    auto fresh = open_event_file(io_, path_, options_.file);
    if (!fresh) return fresh.error();  // the next flush() tries again; until then the old file takes what comes
    if (place == FilePlace::moved && options_.fsync != FsyncPolicy::never) writer_.sync();
    const auto pending = writer_.detach();
    const auto written = writer_.written_offset();
    auto from = anchored_offset_;
    if (place == FilePlace::moved) {
        // A line whose end could not be written moves to the new file as a whole.
        const auto whole = whole_lines_bytes(io_, file_.lock.get());
        from = whole < 0 ? written : static_cast<std::uint64_t>(whole);
    }
    const auto left = std::exchange(file_, {});
    use(std::move(*fresh));
    ++status_->reopened;
    std::string bytes(copy_bytes, '\0');
    std::string rescued;
    while (from < written) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), written - from));
        const auto got = io_.pread(left.lock.get(), {bytes.data(), size}, from);
        if (got <= 0) break;
        from += static_cast<std::uint64_t>(got);
        status_->rescued_bytes += static_cast<std::uint64_t>(got);
        rescued.append(bytes, 0, static_cast<std::size_t>(got));
        append_whole_lines(rescued);
    }
    if (place == FilePlace::moved) cut_torn_line(io_, left.lock.get());
    append_whole_lines(rescued.append(pending));
    return done();
}

// Takes the whole lines off the front of `bytes`; those that are refused are counted.
void FileSink::append_whole_lines(std::string& bytes) {
    std::string_view rest = bytes;
    for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
        if (!writer_.append(rest.substr(0, end + 1))) ++failed_records_;
        rest.remove_prefix(end + 1);
    }
    bytes.erase(0, bytes.size() - rest.size());
}

// Somebody has emptied the file that is open here. Offsets behind its end would leave a hole.
Status FileSink::go_on_after_truncation() {
    // The line that was being written at that moment: its head went with the rest.
    const bool torn = writer_.written_offset() != flushed_offset_;
    carried_ = writer_.detach();
    file_ = {};  // the same file is locked anew
    if (torn) {
        const auto end = carried_.find('\n');
        carried_.erase(0, end == std::string::npos ? carried_.size() : end + 1);
        ++failed_records_;
    }
    return find_file();
}

// There is no file; lines wait for one.
Status FileSink::find_file() {
    auto file = open_event_file(io_, path_, options_.file);
    if (!file) return file.error();
    use(std::move(*file));
    ++status_->reopened;
    append_whole_lines(carried_);
    return done();
}

void FileSink::rotate_if_due(std::size_t coming_bytes) {
    if (!rotation_due(coming_bytes) || Clock::now() < next_rotation_) return;
    const auto status = rotate();
    rotation_trouble_ = status ? std::string() : status.error().what;
    if (status) return;
    // The file goes on growing: lines count for more than names.
    ++other_errors_;
    next_rotation_ = Clock::now() + rotation_retry_after;
}

Status FileSink::rotate() {
    if (!write_pending()) return cannot_write(writer_.last_errno());
    if (options_.fsync != FsyncPolicy::never) writer_.sync();
    // It may have been moved since the last look: then a new file is what was wanted, and it is there.
    if (find_place(io_, path_, file_) != FilePlace::here) {
        rotation_wanted_ = false;
        return look_after_file();
    }
    const auto fresh_path = path_ + ".new";
    auto fresh = open_event_file(io_, fresh_path, options_.file, true);
    if (!fresh) return fail("cannot rotate " + path_ + ": " + fresh.error().what);
    if (auto status = change_names(fresh_path); !status) {
        io_.unlink(fresh_path);
        return status;
    }
    writer_.detach();
    use(std::move(*fresh));
    rotation_wanted_ = false;
    ++status_->rotations;
    apply_retention();
    if (compressor_) compressor_->wake();
    return done();
}

// <stem>.jsonl gets its time, and the fresh file gets its name. A crash between the two leaves no current file: the
// next start makes one.
Status FileSink::change_names(const std::string& fresh_path) {
    const auto failed = [&](int error) {
        return fail("cannot rotate " + path_ + ": " + std::generic_category().message(error));
    };
    // Names sort even where the clock was set back, or two rotations fall into one millisecond.
    const auto stamp_ms = std::max(wall_clock_ms(), last_stamp_ms_ + 1);
    const auto rotated = in_directory(rotated_name(options_.stem, stamp_ms));
    if (const int rc = io_.rename(path_, rotated); rc < 0) return failed(-rc);
    if (const int rc = io_.rename(fresh_path, path_); rc < 0) {
        io_.rename(rotated, path_);
        return failed(-rc);
    }
    last_stamp_ms_ = stamp_ms;
    return done();
}

void FileSink::apply_retention() {
    next_retention_ = Clock::now() + retention_every;
    const auto files = list_rotated(directory_, options_.stem);
    const auto current = std::max(options_.rotate_bytes, writer_.end_offset());
    const auto expired = expired_count(files, options_.retention, wall_clock_ms(), current);
    for (std::size_t i = 0; i < expired; ++i) remove(files[i]);
}

// Here and not in the compressor's thread: whoever fills the disk frees it, however busy the machine is.
bool FileSink::remove(const RotatedFile& file) {
    if (io_.unlink(in_directory(file.name)) < 0) {
        ++other_errors_;
        return false;
    }
    ++status_->deleted_files;
    status_->deleted_bytes += file.bytes;
    return true;
}

}  // namespace sonde
