#include "sinks/delivery/batch_sender.hpp"

#include <algorithm>
#include <cstdio>
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
    if (parts_.spool && (in_trouble() || !parts_.spool->empty())) return store(std::move(batch));
    memory_.push_back(std::move(batch));
    if (!parts_.fallback || !in_trouble()) return;
    while (memory_.size() > parts_.max_waiting) {
        auto oldest = std::move(memory_.front());
        memory_.pop_front();
        front_attempts_ = 0;
        give_up(std::move(oldest), DropReason::expired);
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
        give_up(std::move(batch), DropReason::expired);
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
void BatchSender::refuse(Batch batch, const SendResult& result) {
    last_error_ = result.error;
    give_up(std::move(batch), DropReason::rejected);
}

void BatchSender::try_memory() {
    auto& batch = memory_.front();
    ++front_attempts_;
    const auto result = attempt(batch.body, batch.records);
    if (result.outcome == SendResult::Outcome::unavailable) {
        if (parts_.spool) spool_memory();
        return;
    }
    auto done = std::move(batch);
    memory_.pop_front();
    front_attempts_ = 0;
    if (result.outcome == SendResult::Outcome::delivered) {
        count_delivered(result, done.body.size(), done.records);
    } else {
        refuse(std::move(done), result);
    }
}

void BatchSender::try_spool(const SendClock& now) {
    auto item = parts_.spool->front();
    collect_spool_losses();
    if (!item) return;
    if (older_than(item->time_ns, now.real_ns, parts_.spool_max_age_ms)) {
        parts_.spool->pop();
        return lost(DropReason::expired, item->records);
    }
    const auto result = attempt(item->body, item->records);
    if (result.outcome == SendResult::Outcome::unavailable) return;
    parts_.spool->pop();
    if (result.outcome == SendResult::Outcome::delivered) {
        count_delivered(result, item->body.size(), item->records);
    } else {
        last_error_ = result.error;
        lost(DropReason::rejected, item->records);
    }
}

void BatchSender::spool_memory() {
    front_attempts_ = 0;
    while (!memory_.empty()) {
        auto batch = std::move(memory_.front());
        memory_.pop_front();
        store(std::move(batch));
    }
}

void BatchSender::store(Batch batch) {
    const auto stored = parts_.spool->append(batch.body, batch.records, batch.time_ns);
    collect_spool_losses();
    if (stored == Spool::Append::stored) return;
    if (stored == Spool::Append::failed) last_error_ = "spool: " + parts_.spool->error();
    give_up(std::move(batch), stored == Spool::Append::full ? DropReason::spool_full : DropReason::spool_failed);
}

void BatchSender::collect_spool_losses() {
    if (const auto evicted = parts_.spool->take_evicted(); evicted > 0) lost(DropReason::spool_full, evicted);
    if (const auto corrupt = parts_.spool->take_corrupt(); corrupt > 0) {
        last_error_ = "a batch in the spool is damaged";
        lost(DropReason::spool_failed, corrupt);
    }
}

void BatchSender::give_up(Batch batch, DropReason reason) {
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
    lost_since_said_ += records;
    const auto now = parts_.clock().steady_ms;
    if (said_ && now - said_ms_ < say_every_ms) return;
    parts_.announce("sonde: sink " + parts_.name + ": " + std::to_string(std::exchange(lost_since_said_, 0)) +
                    " records are lost (" + std::string(drop_reason_names[static_cast<std::size_t>(reason)]) +
                    "): " + last_error_);
    said_ = true;
    said_ms_ = now;
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
        give_up(std::move(batch), DropReason::shutdown);
    }
    if (lost_since_said_ > 0) {
        said_ = false;
        lost(DropReason::shutdown, 0);
    }
}

ExportStats& BatchSender::stats() {
    stats_.pending = 0;
    for (const auto& batch : memory_) stats_.pending += batch.records;
    stats_.spooled = parts_.spool ? parts_.spool->records() : 0;
    stats_.spool_bytes = parts_.spool ? parts_.spool->bytes() : 0;
    stats_.breaker = breaker_.state();
    stats_.breaker_opened = breaker_.opened();
    return stats_;
}

}  // namespace sonde
