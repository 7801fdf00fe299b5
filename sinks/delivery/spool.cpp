#include "sinks/delivery/spool.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "sinks/delivery/spool_frame.hpp"

namespace sonde {
namespace {

constexpr mode_t directory_mode = 0700;  // what waits here is what was seen
constexpr mode_t file_mode = 0600;
constexpr std::string_view suffix = ".spool";
constexpr std::size_t number_digits = 20;  // names sort like numbers

std::string why(int error) { return std::generic_category().message(error); }

struct CursorLayout {
    std::uint64_t number;
    std::uint64_t offset;
    std::uint64_t check;  // crc32 of both: the file may be torn by a power cut
};

std::uint64_t check_of(const CursorLayout& cursor) {
    std::array<Bytef, offsetof(CursorLayout, check)> bytes;
    std::memcpy(bytes.data(), &cursor, bytes.size());
    return ::crc32_z(0, bytes.data(), bytes.size());
}

// All of it, or false with errno.
bool read_at(int file, void* target, std::size_t size, std::uint64_t offset) {
    auto* cursor = static_cast<char*>(target);
    while (size > 0) {
        const auto got = ::pread(file, cursor, size, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got == 0) errno = EIO;
            return false;
        }
        cursor += got;
        offset += static_cast<std::uint64_t>(got);
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

bool write_at(int file, std::string_view first, std::string_view second, std::uint64_t offset) {
    while (!first.empty() || !second.empty()) {
        const std::array<iovec, 2> parts{iovec{const_cast<char*>(first.data()), first.size()},
                                         iovec{const_cast<char*>(second.data()), second.size()}};
        const auto done = ::pwritev(file, parts.data(), static_cast<int>(parts.size()), static_cast<off_t>(offset));
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            if (done == 0) errno = ENOSPC;
            return false;
        }
        const auto from_first = std::min(static_cast<std::size_t>(done), first.size());
        first.remove_prefix(from_first);
        second.remove_prefix(static_cast<std::size_t>(done) - from_first);
        offset += static_cast<std::uint64_t>(done);
    }
    return true;
}

std::optional<std::uint64_t> number_of(const std::string& name) {
    if (name.size() != number_digits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + number_digits, number);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + number_digits) return std::nullopt;
    return number;
}

Error unusable(const std::string& directory, const std::string& reason) {
    return fail("cannot use the spool " + directory + ": " + reason, "choose another directory, or no spool");
}

}  // namespace

std::string Spool::path_of(std::uint64_t number) const {
    auto digits = std::to_string(number);
    digits.insert(0, number_digits - digits.size(), '0');
    return options_.directory + "/" + digits + std::string(suffix);
}

Result<Spool> Spool::open(const SpoolOptions& options) {
    if (::mkdir(options.directory.c_str(), directory_mode) != 0 && errno != EEXIST)
        return unusable(options.directory, why(errno));
    Spool spool(options);
    spool.lock_.reset(::open(options.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!spool.lock_) return unusable(options.directory, why(errno));
    if (::flock(spool.lock_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return unusable(options.directory, "another process uses it");
    const auto cursor = options.directory + "/cursor";
    spool.cursor_file_.reset(::open(cursor.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, file_mode));
    if (!spool.cursor_file_) return unusable(options.directory, why(errno));
    spool.load_cursor();
    if (auto status = spool.take_over(); !status) return status.error();
    return spool;
}

void Spool::load_cursor() {
    CursorLayout cursor{};
    if (!read_at(cursor_file_.get(), &cursor, sizeof cursor, 0) || cursor.check != check_of(cursor)) return;
    cursor_number_ = cursor.number;
    cursor_offset_ = cursor.offset;
}

// One write of 24 bytes: whole for every process on this machine, whenever this one is killed.
void Spool::store_cursor() {
    CursorLayout cursor{.number = cursor_number_, .offset = cursor_offset_, .check = 0};
    cursor.check = check_of(cursor);
    const auto bytes = std::bit_cast<std::array<char, sizeof cursor>>(cursor);
    if (!write_at(cursor_file_.get(), {bytes.data(), bytes.size()}, {}, 0)) error_ = why(errno);
}

// The segments of an earlier life, as far as they were not taken.
Status Spool::take_over() {
    std::vector<std::uint64_t> numbers;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory, failed))
        if (const auto number = number_of(entry.path().filename().string())) numbers.push_back(*number);
    if (failed) return unusable(options_.directory, failed.message());
    std::sort(numbers.begin(), numbers.end());
    const auto cursor_offset = std::exchange(cursor_offset_, 0);
    next_number_ = cursor_number_ + 1;  // never a number again that the cursor has passed
    for (const auto number : numbers) {
        next_number_ = std::max(next_number_, number + 1);
        if (number < cursor_number_) {
            ::unlink(path_of(number).c_str());  // taken whole; a crash came before its removal
            continue;
        }
        Segment segment;
        segment.number = number;
        segment.file.reset(::open(path_of(number).c_str(), O_RDWR | O_CLOEXEC));
        if (!segment.file) return unusable(options_.directory, path_of(number) + ": " + why(errno));
        const auto from = number == cursor_number_ ? cursor_offset : 0;
        if (auto status = scan(segment, from); !status) return status.error();
        if (segments_.empty()) cursor_offset_ = std::min(from, segment.bytes);
        frames_ += segment.frames;
        records_ += segment.records;
        bytes_ += segment.bytes;
        segments_.push_back(std::move(segment));
    }
    cursor_number_ = segments_.empty() ? next_number_ : segments_.front().number;
    store_cursor();
    return done();
}

// Counts the frames behind `from` and cuts off what is none.
Status Spool::scan(Segment& segment, std::uint64_t from) {
    struct stat status {};
    if (::fstat(segment.file.get(), &status) != 0) return unusable(options_.directory, why(errno));
    const auto size = static_cast<std::uint64_t>(status.st_size);
    std::array<std::byte, spool_header_bytes> header;
    std::uint64_t offset = 0;
    while (offset < size) {
        const auto wanted = std::min<std::uint64_t>(header.size(), size - offset);
        if (!read_at(segment.file.get(), header.data(), wanted, offset))
            return unusable(options_.directory, path_of(segment.number) + ": " + why(errno));
        const auto frame = parse_spool_header(std::span(header).first(wanted));
        if (frame.state == SpoolFrameState::bad_header) unreadable_bytes_ += size - offset;
        if (frame.state != SpoolFrameState::good || frame.size > size - offset) break;
        if (offset >= from) {
            ++segment.frames;
            segment.records += frame.header.records;
        }
        offset += frame.size;
    }
    if (offset < size && ::ftruncate(segment.file.get(), static_cast<off_t>(offset)) != 0)
        return unusable(options_.directory, path_of(segment.number) + ": " + why(errno));
    segment.bytes = offset;
    return done();
}

Status Spool::add_segment() {
    Segment segment;
    segment.number = next_number_;
    segment.file.reset(::open(path_of(segment.number).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, file_mode));
    if (!segment.file) return fail(why(errno));
    // the name must be as durable as what is written under it
    if (options_.sync && ::fsync(lock_.get()) != 0) return fail(why(errno));
    ++next_number_;
    if (segments_.empty()) {
        cursor_number_ = segment.number;
        cursor_offset_ = 0;
        store_cursor();
    }
    segments_.push_back(std::move(segment));
    return done();
}

void Spool::forget(Segment& segment, std::uint64_t frames, std::uint64_t records) {
    segment.frames -= frames;
    segment.records -= records;
    frames_ -= frames;
    records_ -= records;
}

// The cursor first: a crash in between leaves a file that take_over() removes, not a batch given out twice.
void Spool::drop_front_segment() {
    auto segment = std::move(segments_.front());
    segments_.pop_front();
    frames_ -= segment.frames;
    records_ -= segment.records;
    bytes_ -= segment.bytes;
    front_size_ = 0;
    cursor_number_ = segments_.empty() ? next_number_ : segments_.front().number;
    cursor_offset_ = 0;
    store_cursor();
    ::unlink(path_of(segment.number).c_str());
}

bool Spool::make_room(std::uint64_t size) {
    if (size > options_.max_bytes) return false;
    while (bytes_ + size > options_.max_bytes) {
        // a segment that was taken whole costs nobody anything
        const bool taken = segments_.front().frames == 0;
        if (!taken && options_.full == SpoolFull::drop_newest) return false;
        evicted_ += segments_.front().records;
        drop_front_segment();
    }
    return true;
}

bool Spool::write_frame(Segment& segment, std::string_view body, std::uint32_t records, std::uint64_t time_ns) {
    const auto header = encode_spool_header(body, records, time_ns);
    const std::string_view head(reinterpret_cast<const char*>(header.data()), header.size());
    if (write_at(segment.file.get(), head, body, segment.bytes) &&
        (!options_.sync || ::fdatasync(segment.file.get()) == 0))
        return true;
    error_ = why(errno);
    // Half a frame in the middle would hide what is written behind it.
    if (::ftruncate(segment.file.get(), static_cast<off_t>(segment.bytes)) != 0) error_ = why(errno);
    return false;
}

Spool::Append Spool::append(std::string_view body, std::uint32_t records, std::uint64_t time_ns) {
    const auto size = spool_header_bytes + body.size();
    if (body.size() > spool_max_body_bytes || !make_room(size)) return Append::full;
    const bool fits = !segments_.empty() && segments_.back().bytes + size <= options_.segment_bytes;
    if (!fits && (segments_.empty() || segments_.back().bytes > 0)) {
        if (auto status = add_segment(); !status) {
            error_ = status.error().message();
            return Append::failed;
        }
    }
    auto& segment = segments_.back();
    if (!write_frame(segment, body, records, time_ns)) return Append::failed;
    segment.bytes += size;
    ++segment.frames;
    segment.records += records;
    bytes_ += size;
    ++frames_;
    records_ += records;
    return Append::stored;
}

std::optional<Spool::Item> Spool::front() {
    std::array<std::byte, spool_header_bytes> header;
    while (!segments_.empty()) {
        auto& segment = segments_.front();
        if (cursor_offset_ >= segment.bytes) {
            drop_front_segment();
            continue;
        }
        SpoolFrame frame;
        frame.state = SpoolFrameState::bad_header;
        if (read_at(segment.file.get(), header.data(), header.size(), cursor_offset_))
            frame = parse_spool_header(header);
        if (frame.state != SpoolFrameState::good || cursor_offset_ + frame.size > segment.bytes) {
            // was a frame at open: the disk has lost it since, and the way to the next
            corrupt_ += segment.records;
            drop_front_segment();
            continue;
        }
        Item item{.body = std::string(frame.header.body_bytes, '\0'),
                  .records = frame.header.records,
                  .time_ns = frame.header.time_ns};
        front_size_ = frame.size;
        front_records_ = frame.header.records;
        if (read_at(segment.file.get(), item.body.data(), item.body.size(), cursor_offset_ + spool_header_bytes) &&
            spool_body_holds(frame.header, item.body))
            return item;
        corrupt_ += item.records;
        pop();
    }
    return std::nullopt;
}

void Spool::pop() {
    if (front_size_ == 0) return;
    forget(segments_.front(), 1, front_records_);
    cursor_offset_ += std::exchange(front_size_, 0);
    if (cursor_offset_ >= segments_.front().bytes) return drop_front_segment();
    store_cursor();
}

}  // namespace sonde
