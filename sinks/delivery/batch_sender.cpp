#include "sinks/delivery/batch_sender.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000;
constexpr std::uint64_t say_every_ms = 10'000;  // lines about losses: the first at once, then a sum

void say_on_stderr(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

// A batch from the future (the clock was set back) is new.
bool older_than(std::uint64_t time_ns, std::uint64_t now_ns, std::uint64_t limit_ms) {
    return limit_ms > 0 && now_ns > time_ns && (now_ns - time_ns) / ns_per_ms >= limit_ms;
}

}  // namespace

SendClock SendClock::now() {
    using namespace std::chrono;
    return {static_cast<std::uint64_t>(duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count()),
            static_cast<std::uint64_t>(duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count())};
}

BatchSender::BatchSender(BatchSenderParts parts)
    : parts_(std::move(parts)), retry_(parts_.retry, parts_.seed), breaker_(parts_.breaker) {
    if (!parts_.announce) parts_.announce = say_on_stderr;
    if (!parts_.spool) return;
    stats_.recovered = parts_.spool->records();
    if (const auto bytes = parts_.spool->unreadable_bytes(); bytes > 0)
        parts_.announce("sonde: sink " + parts_.name + ": " + std::to_string(bytes) +
                        " bytes of the spool were damaged and are left out");
}

void BatchSender::submit(Batch batch) {
    if (parts_.spool && (in_trouble() || !parts_.spool->empty())) return store(batch);
    memory_.push_back(std::move(batch));
    if (!parts_.fallback || !in_trouble()) return;
    while (memory_.size() > parts_.max_waiting) {
        auto oldest = std::move(memory_.front());
        memory_.pop_front();
        front_attempts_ = 0;
        give_up(oldest, DropReason::expired);
    }
}

void BatchSender::poll() {
    const auto now = parts_.clock();
    drop_expired(now);
    const bool spooled = parts_.spool && !parts_.spool->empty();
    if ((!spooled && memory_.empty()) || !retry_.due(now.steady_ms) || !breaker_.allows(now.steady_ms)) return;
    if (spooled) {
        try_spool(now);
    } else {
        try_memory();
    }
    stats_.degraded = stats_.degraded && !able_;
}

void BatchSender::drop_expired(const SendClock& now) {
    while (!memory_.empty()) {
        const bool tried = parts_.retry.max_attempts > 0 && front_attempts_ >= parts_.retry.max_attempts;
        if (!tried && !older_than(memory_.front().time_ns, now.real_ns, parts_.retry.max_age_ms)) return;
        auto batch = std::move(memory_.front());
        memory_.pop_front();
        front_attempts_ = 0;
        give_up(batch, DropReason::expired);
    }
}

SendResult BatchSender::attempt(std::string_view body, std::uint32_t records) {
    const auto started = std::chrono::steady_clock::now();
    auto result = parts_.transport->send(body, records);
    const auto took = std::chrono::steady_clock::now() - started;
    stats_.latency.observe(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()));
    ++stats_.attempts;
    if (retry_.failures() > 0) ++stats_.retries;
    if (result.outcome != SendResult::Outcome::delivered) ++stats_.failures;
    if (result.outcome == SendResult::Outcome::unavailable) {
        const auto now = parts_.clock().steady_ms + 1;  // the running millisecond is not over
        retry_.failed(now, result.retry_after_ms);
        breaker_.failed(now);
        if (able_) parts_.announce("sonde: sink " + parts_.name + ": " + result.error + "; records wait");
        able_ = false;
        last_error_ = result.error;
        return result;
    }
    // A destination that refuses a batch answers: it is not down.
    retry_.succeeded();
    breaker_.succeeded();
    announce_recovery();
    return result;
}

void BatchSender::announce_recovery() {
    if (!std::exchange(able_, true)) parts_.announce("sonde: sink " + parts_.name + ": recovered");
}

void BatchSender::count_delivered(const SendResult& result, std::size_t body_bytes, std::uint32_t records) {
    const auto refused = std::min(result.rejected_records, records);
    ++stats_.batches;
    stats_.delivered += records - refused;
    stats_.delivered_bytes += body_bytes;
    stats_.last_success_ns = parts_.clock().real_ns;
    if (refused == 0) return;
    last_error_ = result.error;
    lost(DropReason::rejected, refused);
}

// Refused for good. The fallback may make something of it: its form is another.
void BatchSender::refuse(const Batch& batch, const SendResult& result) {
    last_error_ = result.error;
    give_up(batch, DropReason::rejected);
}

// Sends batches, the last one first, or the parts of them that are small enough. Returns what the destination could not
// take for now, in the same order.
std::vector<Batch> BatchSender::send(std::vector<Batch> waiting) {
    while (!waiting.empty()) {
        const auto result = attempt(waiting.back().body, waiting.back().records);
        if (result.outcome == SendResult::Outcome::unavailable) break;
        const auto done = std::move(waiting.back());
        waiting.pop_back();
        if (result.outcome == SendResult::Outcome::delivered) {
            count_delivered(result, done.body.size(), done.records);
        } else if (result.outcome != SendResult::Outcome::too_large || !divide(done, waiting)) {
            refuse(done, result);
        }
    }
    return waiting;
}

bool BatchSender::divide(const Batch& batch, std::vector<Batch>& out) const {
    if (!parts_.split) return false;
    auto halves = parts_.split(batch.body);
    // the counts must go on adding up, whatever was in the spool
    if (!halves || halves->first.records + halves->second.records != batch.records) return false;
    for (auto* half : {&halves->second, &halves->first})
        out.push_back({std::move(half->body), half->records, batch.time_ns, {}});
    return true;
}

void BatchSender::try_memory() {
    const auto tried = front_attempts_ + 1;
    std::vector<Batch> front;
    front.push_back(std::move(memory_.front()));
    memory_.pop_front();
    const auto records = front.front().records;
    auto left = send(std::move(front));
    // parts are batches like any other, of which the first was tried once
    front_attempts_ = left.empty() ? 0 : left.front().records == records ? tried : 1;
    for (auto& batch : left) memory_.push_front(std::move(batch));
    if (!left.empty() && parts_.spool) spool_memory();
}

void BatchSender::try_spool(const SendClock& now) {
    if (!front_parts_.empty()) {
        if (!older_than(front_parts_.front().time_ns, now.real_ns, parts_.spool_max_age_ms)) return try_front_parts();
        const auto waiting = front_records_ - done_of_front();
        parts_.spool->pop();
        front_parts_.clear();
        front_records_ = 0;
        return lost(DropReason::expired, waiting);
    }
    auto item = parts_.spool->front();
    collect_spool_losses();
    if (!item) return;
    if (older_than(item->time_ns, now.real_ns, parts_.spool_max_age_ms)) {
        parts_.spool->pop();
        return lost(DropReason::expired, item->records);
    }
    front_records_ = item->records;
    front_parts_.push_back({std::move(item->body), item->records, item->time_ns, {}});
    try_front_parts();
}

// In the spool the front stays whole until the last of its parts is done with: a crash in between repeats some records,
// and loses none.
void BatchSender::try_front_parts() {
    front_parts_ = send(std::move(front_parts_));
    if (front_parts_.empty()) {
        parts_.spool->pop();
    } else if (front_parts_.front().records == front_records_) {
        front_parts_.clear();  // as it was: the spool has it
    }
    if (front_parts_.empty()) front_records_ = 0;
}

// Number of records of the spool's front that are done with.
std::uint64_t BatchSender::done_of_front() const {
    std::uint64_t waiting = 0;
    for (const auto& part : front_parts_) waiting += part.records;
    return front_records_ - waiting;
}

void BatchSender::spool_memory() {
    front_attempts_ = 0;
    while (!memory_.empty()) {
        const auto batch = std::move(memory_.front());
        memory_.pop_front();
        store(batch);
    }
}

void BatchSender::store(const Batch& batch) {
    const auto stored = parts_.spool->append(batch.body, batch.records, batch.time_ns);
    collect_spool_losses();
    if (stored == Spool::Append::stored) return;
    if (stored == Spool::Append::failed) last_error_ = "spool: " + parts_.spool->error();
    give_up(batch, stored == Spool::Append::full ? DropReason::spool_full : DropReason::spool_failed);
}

void BatchSender::collect_spool_losses() {
    if (auto evicted = parts_.spool->take_evicted(); evicted > 0) {
        if (!parts_.spool->holds_front()) {  // it was among them, and a part of it was done with
            evicted -= done_of_front();
            front_parts_.clear();
            front_records_ = 0;
        }
        lost(DropReason::spool_full, evicted);
    }
    if (const auto corrupt = parts_.spool->take_corrupt(); corrupt > 0) {
        last_error_ = "a batch in the spool is damaged";
        lost(DropReason::spool_failed, corrupt);
    }
}

void BatchSender::give_up(const Batch& batch, DropReason reason) {
    if (divert(batch)) {
        stats_.diverted += batch.records;
    } else {
        lost(reason, batch.records);
    }
}

bool BatchSender::divert(const Batch& batch) {
    if (!parts_.fallback || batch.originals.empty()) return false;
    const auto failed_before = parts_.fallback->stats().failed_records;
    for (const auto& record : batch.originals) parts_.fallback->write(record);
    if (!parts_.fallback->flush() || parts_.fallback->stats().failed_records != failed_before) return false;
    if (!std::exchange(stats_.degraded, true))
        parts_.announce("sonde: sink " + parts_.name + ": degraded, records go to its fallback " +
                        std::string(parts_.fallback->name()) + ": " + last_error_);
    return true;
}

// The last thing that can be done for a record is to say that it is gone.
void BatchSender::lost(DropReason reason, std::uint64_t records) {
    stats_.dropped_for(reason) += records;
    unsaid_[static_cast<std::size_t>(reason)] += records;
    const auto now = parts_.clock().steady_ms;
    if (said_ && now - said_ms_ < say_every_ms) return;
    say_losses();
    said_ = true;
    said_ms_ = now;
}

// "3 records are lost (rejected): …", "5 records are lost (3 expired, 2 shutdown): …"
void BatchSender::say_losses() {
    const auto sum = std::accumulate(unsaid_.begin(), unsaid_.end(), std::uint64_t{0});
    if (sum == 0) return;
    std::string reasons;
    for (std::size_t i = 0; i < unsaid_.size(); ++i) {
        const auto count = std::exchange(unsaid_[i], 0);
        if (count == 0) continue;
        if (!reasons.empty()) reasons += ", ";
        if (count != sum) reasons += std::to_string(count) + " ";
        reasons += drop_reason_names[i];
    }
    parts_.announce("sonde: sink " + parts_.name + ": " + std::to_string(sum) + " records are lost (" + reasons +
                    "): " + last_error_);
}

void BatchSender::finish(std::chrono::steady_clock::time_point deadline) {
    parts_.transport->stop_by(deadline);
    // After trouble one more try, if the breaker lets it: the destination may be back.
    for (auto before = ~stats_.attempts; before != stats_.attempts && std::chrono::steady_clock::now() < deadline;) {
        before = stats_.attempts;
        retry_.hurry();
        poll();
        if (!able_) break;
    }
    if (parts_.spool) return spool_memory();
    while (!memory_.empty()) {
        auto batch = std::move(memory_.front());
        memory_.pop_front();
        give_up(batch, DropReason::shutdown);
    }
    say_losses();
}

ExportStats& BatchSender::stats() {
    stats_.pending = 0;
    for (const auto& batch : memory_) stats_.pending += batch.records;
    stats_.spooled = parts_.spool ? parts_.spool->records() - done_of_front() : 0;
    stats_.spool_bytes = parts_.spool ? parts_.spool->bytes() : 0;
    stats_.breaker = breaker_.state();
    stats_.breaker_opened = breaker_.opened();
    return stats_;
}

}  // namespace sonde
