#include "agent/correlate/correlator.hpp"

#include <algorithm>
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
// Kept to be used again: those of requests that are held, at some 5,000 a second.
constexpr std::size_t logs_pooled = 4096;

}  // namespace

Correlator::Correlator(CorrelatorOptions options, Output output, Parse parse)
    : options_(std::move(options)),
      output_(std::move(output)),
      parse_(std::move(parse)),
      keep_ns_((options_.settle_ms + options_.late_ms) * ns_per_ms),
      requests_(options_.max_requests),
      matcher_(requests_, {.late_ns = options_.late_ms * ns_per_ms, .quiet_ns = options_.quiet_ms * ns_per_ms}),
      waiting_({.settle_ns = options_.settle_ms * ns_per_ms,
                .lines_max = options_.max_waiting_lines,
                .bytes_max = options_.max_waiting_bytes,
                .two_origins = options_.from_files}),
      logs_(logs_pooled),
      held_(options_.max_held),
      ended_(options_.max_requests) {}

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

void Correlator::writes(std::uint32_t pid, std::uint64_t time_ns) {
    if (writers_.size() >= writers_max && !writers_.contains(pid)) return;
    auto& last_ns = writers_[pid].last_ns;
    last_ns = std::max({last_ns, now_ns_, time_ns});
}

void Correlator::told_of_waiting() {
    stats_.waiting_lines.store(waiting_.size(), std::memory_order_relaxed);
    stats_.duplicates.store(waiting_.merged(), std::memory_order_relaxed);
}

void Correlator::make_room() {
    while (waiting_.full()) {
        bump(stats_.early_lines);
        join_oldest();
    }
}

void Correlator::add(std::shared_ptr<LogLine> line, const RequestTable::Anchor& anchor) {
    writes(line->record.source.pid, line->monotonic_ns);
    make_room();
    if (!waiting_.add(line, anchor)) join(line, anchor);
    told_of_waiting();
}

void Correlator::add(const WrittenRecord& written) {
    writes(written.write.pid, written.write.time_ns);
    make_room();
    waiting_.add(written);
    told_of_waiting();
}

void Correlator::join_oldest() {
    const auto oldest = waiting_.take();
    join(oldest.parsed ? oldest.parsed : parse_(*oldest.written), oldest.anchor);
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
    if (!request.logs) {
        request.logs = logs_.take();
        request.logs->clear();
    }
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
    shown.message = logs.text.add(record.message.substr(0, TransactionLog::message_bytes_max));
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
    waiting_.advance(now_ns_);
    while (waiting_.is_due()) join_oldest();
    told_of_waiting();
    while (!held_.empty() && held_.front().due_ns <= now_ns_) release_oldest();
    forget(now_ns_);
}

void Correlator::finish() {
    while (waiting_.size() > 0) join_oldest();
    told_of_waiting();
    while (!held_.empty()) release_oldest();
}

}  // namespace sonde
