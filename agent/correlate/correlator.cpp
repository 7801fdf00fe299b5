#include "agent/correlate/correlator.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000;
// For the single writer: a plain increment, no locked instruction.
void bump(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// The transactions of a process that has written no line for so long are not held.
constexpr std::uint64_t writer_memory_ns = 60'000'000'000;
constexpr std::size_t writers_max = 4096;
// Key of lines whose writer is not known.
constexpr std::uint32_t any_process = 0;
// A line of a file that says it is so old has nothing to wait for: sonde is catching up.
constexpr std::uint64_t old_news_ns = 5'000'000'000;
constexpr std::size_t lines_per_bucket = 4;
// So long a line is known again when it comes from the other origin after it was joined.
constexpr std::uint64_t trace_memory_ns = 5'000'000'000;
constexpr std::size_t traces_max = 4096;
// A write that was cut waits so long for the whole text from a file.
constexpr std::uint64_t cut_waits_ns = 1'500'000'000;
// Where nothing comes from the kernel, nothing of a file's line has to be waited for but its request.
constexpr std::uint64_t alone_waits_ns = 50'000'000;
// Of the text, so much tells lines apart: the kernel may have captured no more.
constexpr std::size_t compared_bytes = 512;

}  // namespace

Correlator::Correlator(CorrelatorOptions options, Output output)
    : options_(std::move(options)),
      output_(std::move(output)),
      settle_ns_(options_.settle_ms * ns_per_ms),
      keep_ns_((options_.settle_ms + options_.late_ms) * ns_per_ms),
      requests_(options_.max_requests),
      matcher_(requests_, {.late_ns = options_.late_ms * ns_per_ms, .quiet_ns = options_.quiet_ms * ns_per_ms}),
      traces_(traces_max),
      held_(options_.max_held),
      ended_(options_.max_requests) {
    due_.reserve(options_.max_waiting_lines);
    for (auto& buckets : by_text_) buckets.resize(std::bit_ceil(options_.max_waiting_lines / lines_per_bucket + 1));
}

void Correlator::request_read(const RequestRead& read) {
    const auto& t = read.request;
    TrackedRequest request;
    request.span_id = t.trace.span_id;
    request.pid = read.pid;
    request.tid = read.tid;
    request.strand = read.strand;
    request.read_ns = read.read_ns;
    request.path_hash = t.path.cut() ? 0 : RequestTable::key_of_text(t.path);
    request.client_port = read.client.port;
    request.method = t.method;
    request.trace_id = t.trace.trace_id;
    if (requests_.add(request, t.trace.request_id) == RequestTable::npos) bump(stats_.untracked_requests);
}

void Correlator::response_began(Transaction& answered, const ThreadClock& by, std::uint64_t time_ns) {
    const auto number = find(answered.trace.span_id);
    if (number == RequestTable::npos) return;
    auto& request = requests_.at(number);
    request.response_ns = time_ns;
    // a packet may also leave while another process happens to run
    if (by.pid == request.pid) matcher_.answered(number, by.tid);
}

void Correlator::request_dropped(std::uint64_t span_id) {
    const auto number = find(span_id);
    if (number != RequestTable::npos && requests_.at(number).end_ns == 0) requests_.remove(number);
}

void Correlator::process_ended(std::uint32_t pid) {
    matcher_.process_ended(pid);
    writers_.erase(pid);
}

bool Correlator::writes_lines(std::uint32_t pid) const {
    for (const auto key : {pid, any_process}) {
        const auto at = writers_.find(key);
        if (at != writers_.end() && now_ns_ < at->second.last_ns + writer_memory_ns) return true;
    }
    return false;
}

bool Correlator::hold(const Transaction& transaction, std::uint64_t end_ns) {
    if (transaction.side != Side::server) return false;
    const auto number = find(transaction.trace.span_id);
    if (number == RequestTable::npos) return false;
    auto& request = requests_.at(number);
    request.end_ns = std::max(end_ns, request.read_ns);
    request.status = transaction.status;
    request.service = transaction.service;
    if (const auto writer = writers_.find(request.pid); writer != writers_.end())
        writer->second.service = transaction.service;
    requests_.close(number);
    matcher_.ended(number);
    const auto due_ns = std::max(now_ns_, request.end_ns) + keep_ns_;
    if (ended_.full()) forget(UINT64_MAX);
    ended_.push() = {number, request.span_id, due_ns};
    if (!writes_lines(request.pid)) return false;
    if (held_.full()) {
        bump(stats_.early_transactions);
        release_oldest();
    }
    auto& held = held_.push();
    held.transaction = transaction;
    held.due_ns = due_ns;
    held.request = number;
    stats_.held_transactions.store(held_.size(), std::memory_order_relaxed);
    return true;
}

// The same line from the other origin waits already: it gets what this one knows. The kernel tells the thread, the file
// the whole text. Of several the oldest: lines come in the order of their writing from both.
bool Correlator::merge(const LogLine& line, std::uint64_t text_hash, const RequestTable::Anchor& anchor) {
    const auto& source = line.record.source;
    const bool from_kernel = source.origin == LogOrigin::kernel;
    auto place = bucket_of(text_hash, !from_kernel).first;
    for (; place != RequestTable::npos; place = waiting_[place].next) {
        const auto& other = waiting_[place];
        // in a container the file system on top has other inodes: those of one device can be told apart
        if (other.text_hash == text_hash && (other.device != source.device || other.inode == source.inode)) break;
    }
    if (place == RequestTable::npos) return false;
    bump(stats_.duplicates);
    auto& other = waiting_[place];
    if (!other.line) {
        give_back(place);
        return true;
    }
    unlist(place);
    auto& known = *other.line;
    auto& theirs = known.record.source;
    if (from_kernel) {
        theirs.pid = source.pid, theirs.tid = source.tid, theirs.stream = source.stream;
        known.monotonic_ns = line.monotonic_ns;
        known.strand = line.strand;
        other.anchor = anchor;
    } else {
        const auto writer = theirs;
        waiting_bytes_ += line.record.raw.size();
        waiting_bytes_ -= std::min(waiting_bytes_, known.record.raw.size());
        known.record.copy_from(line.record);
        theirs.pid = writer.pid, theirs.tid = writer.tid;
        theirs.stream = writer.stream;
        known.file_number = line.file_number;
    }
    theirs.origin = LogOrigin::both;
    return true;
}

std::uint32_t Correlator::take_place(std::uint64_t text_hash, bool from_kernel) {
    if (free_place_ == RequestTable::npos) {
        free_place_ = static_cast<std::uint32_t>(waiting_.size());
        waiting_.emplace_back();
    }
    const auto place = free_place_;
    auto& waiting = waiting_[place];
    free_place_ = waiting.next;
    auto& bucket = bucket_of(text_hash, from_kernel);
    waiting.text_hash = text_hash;
    waiting.from_kernel = from_kernel;
    waiting.listed = true;
    waiting.next = RequestTable::npos;
    waiting.previous = bucket.last;
    (bucket.last == RequestTable::npos ? bucket.first : waiting_[bucket.last].next) = place;
    bucket.last = place;
    return place;
}

void Correlator::unlist(std::uint32_t place) {
    auto& waiting = waiting_[place];
    if (!waiting.listed) return;
    auto& bucket = bucket_of(waiting.text_hash, waiting.from_kernel);
    (waiting.previous == RequestTable::npos ? bucket.first : waiting_[waiting.previous].next) = waiting.next;
    (waiting.next == RequestTable::npos ? bucket.last : waiting_[waiting.next].previous) = waiting.previous;
    waiting.listed = false;
}

void Correlator::give_back(std::uint32_t place) {
    unlist(place);
    waiting_[place].trace_number = 0;
    waiting_[place].next = free_place_;
    free_place_ = place;
}

// Do lines come from the other origin, too?
bool Correlator::comes_from_both(bool from_kernel) const {
    const auto seen_ns = seen_ns_[from_kernel ? 0 : 1];
    return seen_ns != 0 && now_ns_ < seen_ns + writer_memory_ns;
}

void Correlator::leave_trace(std::uint32_t place, const LogLine& line) {
    auto& waiting = waiting_[place];
    const auto& source = line.record.source;
    const bool from_kernel = source.origin == LogOrigin::kernel;
    if (source.origin == LogOrigin::both || !comes_from_both(from_kernel)) return give_back(place);
    if (traces_.full()) forget_trace();
    waiting.trace_number = ++trace_number_;
    traces_.push() = {now_ns_ + trace_memory_ns, trace_number_, place};
}

void Correlator::forget_trace() {
    const auto oldest = traces_.front();
    traces_.pop();
    if (waiting_[oldest.place].trace_number == oldest.number) give_back(oldest.place);
}

std::uint64_t Correlator::oldest_file_number() const {
    std::uint64_t oldest = 0;
    for (const auto& waiting : waiting_)
        if (waiting.line && waiting.line->file_number != 0 && (oldest == 0 || waiting.line->file_number < oldest))
            oldest = waiting.line->file_number;
    return oldest;
}

void Correlator::writes(std::uint32_t pid, std::uint64_t time_ns) {
    if (writers_.size() >= writers_max && !writers_.contains(pid)) return;
    auto& last_ns = writers_[pid].last_ns;
    last_ns = std::max({last_ns, now_ns_, time_ns});
}

std::uint64_t Correlator::due_of(const LogLine& line) const {
    const auto& record = line.record;
    const auto written_ns = line.monotonic_ns != 0 ? line.monotonic_ns : now_ns_;
    if (record.source.origin == LogOrigin::kernel) {
        const bool whole_may_come = record.has(log_truncated) && comes_from_both(true);
        return written_ns + (whole_may_come ? std::max(settle_ns_, cut_waits_ns) : settle_ns_);
    }
    if (record.time_ns != 0 && record.time_ns + old_news_ns < record.observed_ns) return now_ns_;
    // an access line names its request by what is known at its end only
    const bool alone = !comes_from_both(false) && record.access.method.empty();
    return written_ns + (alone ? std::min(settle_ns_, alone_waits_ns) : settle_ns_);
}

void Correlator::add(std::shared_ptr<LogLine> line, const RequestTable::Anchor& anchor) {
    const auto& record = line->record;
    writes(record.source.pid, line->monotonic_ns);
    seen_ns_[record.source.origin == LogOrigin::kernel ? 1 : 0] = std::max(now_ns_, std::uint64_t{1});
    const auto hash = RequestTable::key_of_text(record.raw.substr(0, compared_bytes));
    if (merge(*line, hash, anchor)) return;
    const auto due_ns = due_of(*line);
    if (due_ns <= now_ns_ && record.source.origin != LogOrigin::kernel) return join(line, anchor);
    while (!due_.empty() &&
           (due_.size() >= options_.max_waiting_lines || waiting_bytes_ >= options_.max_waiting_bytes)) {
        bump(stats_.early_lines);
        join_oldest();
    }
    waiting_bytes_ += record.raw.size();
    const auto place = take_place(hash, record.source.origin == LogOrigin::kernel);
    auto& waiting = waiting_[place];
    waiting.device = record.source.device, waiting.inode = record.source.inode;
    waiting.line = std::move(line);
    waiting.anchor = anchor;
    due_.push_back({due_ns, ++line_number_, place});
    std::push_heap(due_.begin(), due_.end());
    stats_.waiting_lines.store(due_.size(), std::memory_order_relaxed);
}

void Correlator::join_oldest() {
    const auto place = due_.front().place;
    auto line = std::move(waiting_[place].line);
    const auto anchor = waiting_[place].anchor;
    std::pop_heap(due_.begin(), due_.end());
    due_.pop_back();
    leave_trace(place, *line);
    stats_.waiting_lines.store(due_.size(), std::memory_order_relaxed);
    waiting_bytes_ -= std::min(waiting_bytes_, line->record.raw.size());
    join(line, anchor);
}

void Correlator::join(const std::shared_ptr<LogLine>& line, const RequestTable::Anchor& anchor) {
    const auto found = matcher_.match(*line, anchor);
    bump(stats_.lines[static_cast<std::size_t>(found.match)]);
    line->match = found.match;
    line->confidence = found.confidence;
    line->candidates = found.candidates;
    line->candidate_count = found.candidate_count;
    if (found.request != RequestTable::npos) line->service = requests_.at(found.request).service;
    if (const auto writer = writers_.find(line->record.source.pid); line->service.empty() && writer != writers_.end())
        line->service = writer->second.service;
    const bool leaves = !output_.redact || output_.redact(*line);
    if (found.request != RequestTable::npos) {
        auto& request = requests_.at(found.request);
        line->request_span_id = request.span_id;
        line->request_method = request.method;
        line->request_trace_id = request.trace_id;
        if (leaves) attach(*line, request);
    }
    if (leaves) output_.on_line(line);
}

void Correlator::attach(LogLine& line, TrackedRequest& request) {
    if (!request.logs) request.logs = std::make_shared<TransactionLogs>();
    auto& logs = *request.logs;
    const auto& record = line.record;
    logs.has_error = logs.has_error || record.severity >= Severity::error;
    for (const auto& name : options_.attributes) {
        if (logs.attributes.size() >= TransactionLogs::attributes_max) break;
        const auto value = record.attribute(name);
        const auto same = [&](const auto& known) { return known.first == name; };
        if (!value.empty() && std::none_of(logs.attributes.begin(), logs.attributes.end(), same))
            logs.attributes.emplace_back(name, value.substr(0, TransactionLog::message_bytes_max));
    }
    if (logs.lines.size() >= options_.max_lines) {
        ++logs.dropped;
        return bump(stats_.lines_over);
    }
    auto& shown = logs.lines.emplace_back();
    shown.time_ns =
        record.source.origin == LogOrigin::kernel || record.time_ns == 0 ? record.observed_ns : record.time_ns;
    shown.severity = record.severity;
    shown.match = line.match;
    shown.confidence = line.confidence;
    shown.cut = record.message.size() > TransactionLog::message_bytes_max;
    shown.message = record.message.substr(0, TransactionLog::message_bytes_max);
}

void Correlator::release_oldest() {
    auto& held = held_.front();
    // taken from the entry: what sinks read nobody may add to
    held.transaction.logs = std::exchange(requests_.at(held.request).logs, nullptr);
    held_.pop();
    stats_.held_transactions.store(held_.size(), std::memory_order_relaxed);
    output_.on_transaction(held.transaction);
    held.transaction.logs.reset();
    held.transaction.process.reset();
}

// Ended requests whose lines can no longer come. UINT64_MAX: the oldest, whatever its time.
void Correlator::forget(std::uint64_t now_ns) {
    while (!ended_.empty() && ended_.front().due_ns <= now_ns) {
        const auto& gone = ended_.front();
        // a transaction that is held is given back first
        if (!held_.empty() && held_.front().request == gone.request) {
            if (now_ns == UINT64_MAX) bump(stats_.early_transactions);
            release_oldest();
        }
        requests_.remove(gone.request);
        ended_.pop();
        if (now_ns == UINT64_MAX) return;
    }
}

void Correlator::advance(std::uint64_t now_ns) {
    now_ns_ = std::max(now_ns_, now_ns);
    while (!due_.empty() && due_.front().time_ns <= now_ns_) join_oldest();
    while (!traces_.empty() && traces_.front().time_ns <= now_ns_) forget_trace();
    while (!held_.empty() && held_.front().due_ns <= now_ns_) release_oldest();
    forget(now_ns_);
}

void Correlator::finish() {
    while (!due_.empty()) join_oldest();
    while (!held_.empty()) release_oldest();
}

}  // namespace sonde
