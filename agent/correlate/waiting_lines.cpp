#include "agent/correlate/waiting_lines.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace sonde {
namespace {

// A line of a file that says it is so old has nothing to wait for: sonde is catching up.
constexpr std::uint64_t old_news_ns = 5'000'000'000;
constexpr std::size_t lines_per_bucket = 4;
// So long a line is known again when it comes from the other origin after it was taken.
constexpr std::uint64_t trace_memory_ns = 5'000'000'000;
constexpr std::size_t traces_max = 4096;
// An origin that brought nothing for so long is not waited for.
constexpr std::uint64_t origin_memory_ns = 60'000'000'000;
// A write that was cut waits so long for the whole text from a file.
constexpr std::uint64_t cut_waits_ns = 1'500'000'000;
// Where nothing comes from the kernel, nothing of a file's line has to be waited for but its request.
constexpr std::uint64_t alone_waits_ns = 50'000'000;
// Of the text, so much tells lines apart: the kernel may have captured no more.
constexpr std::size_t compared_bytes = 512;
constexpr std::size_t kept_text_bytes = 512;

// What only the kernel tells.
struct Writer {
    std::uint32_t pid, tid;
    LogStream stream;
    std::uint64_t monotonic_ns;
    std::uint64_t strand;
};

Writer writer_of(const LogWrite& write) {
    return {write.pid, write.tid, stream_of(write.fd), write.time_ns, write.strand};
}

Writer writer_of(const LogLine& line) {
    const auto& source = line.record.source;
    return {source.pid, source.tid, source.stream, line.monotonic_ns, line.strand};
}

// line: of a file, found to be the one that was written by writer.
void set_writer(LogLine& line, const Writer& writer) {
    auto& source = line.record.source;
    source.pid = writer.pid, source.tid = writer.tid, source.stream = writer.stream;
    line.monotonic_ns = writer.monotonic_ns;
    line.strand = writer.strand;
    source.origin = LogOrigin::both;
}

}  // namespace

LogStream stream_of(std::uint32_t fd) { return fd == 1 ? LogStream::out : fd == 2 ? LogStream::err : LogStream::none; }

WaitingLines::WaitingLines(const WaitingLinesOptions& options)
    : options_(options), due_(options.lines_max), traces_(traces_max) {
    for (auto& buckets : by_text_) buckets.resize(std::bit_ceil(options_.lines_max / lines_per_bucket + 1));
}

std::uint64_t WaitingLines::hash_of(std::string_view text) const {
    return options_.two_origins ? RequestTable::key_of_text(text.substr(0, compared_bytes)) : 0;
}

void WaitingLines::advance(std::uint64_t now_ns) {
    now_ns_ = std::max(now_ns_, now_ns);
    while (!traces_.empty() && traces_.front().forget_ns <= now_ns_) forget_trace();
}

// Of several the oldest: lines come in the order of their writing from both.
std::uint32_t WaitingLines::find_other(const Identity& line) {
    if (!options_.two_origins) return nowhere;
    seen_ns_[line.from_kernel ? 1 : 0] = std::max(now_ns_, std::uint64_t{1});
    auto place = bucket_of(line.text_hash, !line.from_kernel).first;
    for (; place != nowhere; place = waiting_[place].next) {
        const auto& other = waiting_[place];
        // in a container the file system on top has other inodes: those of one device can be told apart
        if (other.text_hash == line.text_hash && (other.device != line.device || other.inode == line.inode)) break;
    }
    if (place != nowhere) ++merged_;
    return place;
}

WaitingLines::Waiting& WaitingLines::take_place(const Identity& line, std::size_t bytes, std::uint64_t due_ns) {
    if (free_place_ == nowhere) {
        free_place_ = static_cast<std::uint32_t>(waiting_.size());
        waiting_.emplace_back();
    }
    const auto place = free_place_;
    auto& waiting = waiting_[place];
    free_place_ = waiting.next;
    waiting.from_kernel = line.from_kernel;
    if (options_.two_origins) list(place, line);
    bytes_ += bytes;
    due_.push(due_ns, place);
    return waiting;
}

void WaitingLines::list(std::uint32_t place, const Identity& line) {
    auto& waiting = waiting_[place];
    auto& bucket = bucket_of(line.text_hash, line.from_kernel);
    waiting.listed = true;
    waiting.text_hash = line.text_hash;
    waiting.device = line.device, waiting.inode = line.inode;
    waiting.next = nowhere;
    waiting.previous = bucket.last;
    (bucket.last == nowhere ? bucket.first : waiting_[bucket.last].next) = place;
    bucket.last = place;
}

void WaitingLines::unlist(Waiting& waiting) {
    if (!waiting.listed) return;
    auto& bucket = bucket_of(waiting.text_hash, waiting.from_kernel);
    (waiting.previous == nowhere ? bucket.first : waiting_[waiting.previous].next) = waiting.next;
    (waiting.next == nowhere ? bucket.last : waiting_[waiting.next].previous) = waiting.previous;
    waiting.listed = false;
}

void WaitingLines::give_back(std::uint32_t place) {
    auto& waiting = waiting_[place];
    unlist(waiting);
    waiting.trace_number = 0;
    waiting.next = free_place_;
    free_place_ = place;
}

// Do lines come from the other origin, too?
bool WaitingLines::comes_from_both(bool from_kernel) const {
    const auto seen_ns = seen_ns_[from_kernel ? 0 : 1];
    return seen_ns != 0 && now_ns_ < seen_ns + origin_memory_ns;
}

void WaitingLines::leave_trace(std::uint32_t place, bool from_kernel) {
    if (!comes_from_both(from_kernel)) return give_back(place);
    if (traces_.full()) forget_trace();
    waiting_[place].trace_number = ++trace_number_;
    traces_.push() = {now_ns_ + trace_memory_ns, trace_number_, place};
}

void WaitingLines::forget_trace() {
    const auto oldest = traces_.front();
    traces_.pop();
    if (waiting_[oldest.place].trace_number == oldest.number) give_back(oldest.place);
}

std::uint64_t WaitingLines::oldest_file_number() const {
    std::uint64_t oldest = 0;
    for (const auto& waiting : waiting_)
        if (waiting.parsed && waiting.parsed->file_number != 0 && (oldest == 0 || waiting.parsed->file_number < oldest))
            oldest = waiting.parsed->file_number;
    return oldest;
}

std::uint64_t WaitingLines::due_of_kernel(std::uint64_t written_ns, std::uint8_t flags) const {
    const bool whole_may_come = (flags & log_truncated) != 0 && comes_from_both(true);
    return written_ns + (whole_may_come ? std::max(options_.settle_ns, cut_waits_ns) : options_.settle_ns);
}

std::uint64_t WaitingLines::due_of_file(const LogLine& line) const {
    const auto& record = line.record;
    if (record.time_ns != 0 && record.time_ns + old_news_ns < record.observed_ns) return now_ns_;
    // an access line names its request by what is known at its end only
    const bool alone = !comes_from_both(false) && record.access.method.empty();
    const auto written_ns = line.monotonic_ns != 0 ? line.monotonic_ns : now_ns_;
    return written_ns + (alone ? std::min(options_.settle_ns, alone_waits_ns) : options_.settle_ns);
}

bool WaitingLines::add(std::shared_ptr<LogLine>& line, const RequestTable::Anchor& anchor) {
    const auto& record = line->record;
    const bool from_kernel = record.source.origin == LogOrigin::kernel;
    const Identity identity{hash_of(record.raw), record.source.device, record.source.inode, from_kernel};
    if (const auto place = find_other(identity); place != nowhere) {
        auto& other = waiting_[place];
        if (!other.parsed && !other.is_written) {
            give_back(place);
        } else if (from_kernel) {
            unlist(other);
            set_writer(*other.parsed, writer_of(*line));
            other.anchor = anchor;
        } else {
            unlist(other);
            const auto waited = other.is_written ? other.written.text.size() : other.parsed->record.raw.size();
            bytes_ = bytes_ - std::min(bytes_, waited) + record.raw.size();
            set_writer(*line, other.is_written ? writer_of(other.written.write) : writer_of(*other.parsed));
            other.parsed = std::move(line);
            other.is_written = false;
        }
        line.reset();
        return true;
    }
    const auto due_ns = from_kernel ? due_of_kernel(line->monotonic_ns, record.flags) : due_of_file(*line);
    if (due_ns <= now_ns_ && !from_kernel) return false;
    auto& waiting = take_place(identity, record.raw.size(), due_ns);
    waiting.parsed = std::move(line);
    waiting.anchor = anchor;
    return true;
}

void WaitingLines::add(const WrittenRecord& written) {
    const auto& write = written.write;
    const Identity identity{hash_of(written.text), write.device, write.inode, true};
    if (const auto place = find_other(identity); place != nowhere) {
        auto& other = waiting_[place];
        if (!other.parsed) return give_back(place);
        unlist(other);
        set_writer(*other.parsed, writer_of(write));
        other.anchor = written.anchor;
        return;
    }
    auto& waiting = take_place(identity, written.text.size(), due_of_kernel(write.time_ns, written.flags));
    waiting.written = written;
    waiting.is_written = true;
    waiting.anchor = written.anchor;
}

// The next one was written a quarter of a second ago and has left the cache; it is on its way back while this one is
// parsed.
void WaitingLines::prefetch(const Waiting& next) {
    constexpr std::size_t cache_line = 64;
    const auto* const bytes = reinterpret_cast<const char*>(&next);
    for (std::size_t at = 0; at < sizeof next; at += cache_line) __builtin_prefetch(bytes + at);
}

WaitingLines::Line WaitingLines::take() {
    const auto place = due_.front().place;
    due_.pop();
    if (!due_.empty()) prefetch(waiting_[due_.front().place]);
    auto& waiting = waiting_[place];
    Line line{std::move(waiting.parsed), nullptr, waiting.anchor};
    if (waiting.is_written) {
        taken_ = waiting.written;
        line.written = &taken_;
        waiting.is_written = false;
    }
    // a place keeps the memory of a usual text, not that of a traceback
    if (waiting.written.text.capacity() > kept_text_bytes) waiting.written.text = std::string();
    const auto bytes = line.parsed ? line.parsed->record.raw.size() : taken_.text.size();
    bytes_ -= std::min(bytes_, bytes);
    if (line.parsed && line.parsed->record.source.origin == LogOrigin::both)
        give_back(place);
    else
        leave_trace(place, waiting.from_kernel);
    return line;
}

}  // namespace sonde
