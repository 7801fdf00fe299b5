#include "sinks/delivery/batch_sink.hpp"

#include <utility>

namespace sonde {

BatchSink::BatchSink(std::string name, const BatchOptions& options, std::unique_ptr<BatchEncoder> encoder,
                     BatchSenderParts parts)
    : name_(std::move(name)),
      options_(options),
      encoder_(std::move(encoder)),
      keep_originals_(parts.fallback != nullptr),
      clock_(parts.clock),
      sender_(std::move(parts)) {
    if (keep_originals_) originals_.reserve(options_.records);
}

void BatchSink::write(const Record& record) {
    ++written_;
    if (!encoder_->add(record)) {
        ++skipped_;
        return;
    }
    if (open_records_++ == 0) opened_ms_ = now_ms();
    if (keep_originals_) originals_.push_back(record);
    if (open_records_ >= options_.records || encoder_->bytes() >= options_.bytes) close_batch();
}

void BatchSink::close_batch() {
    if (open_records_ == 0) return;
    Batch batch;
    batch.body = encoder_->take();
    batch.records = std::exchange(open_records_, 0);
    batch.time_ns = clock_().real_ns;
    batch.originals = std::move(originals_);
    originals_.clear();
    sender_.submit(std::move(batch));
}

bool BatchSink::poll() {
    const auto now = now_ms();
    if (sender_.has_room()) {
        if (const auto made = encoder_->tick(now); made > 0) {
            written_ += made;
            open_records_ += made;
            close_batch();
        }
        if (open_records_ > 0 && now - opened_ms_ >= options_.time_ms) close_batch();
    }
    sender_.poll();
    return sender_.has_room();
}

Status BatchSink::flush() {
    close_batch();
    const auto before = sender_.stats().dropped_total();
    sender_.finish(std::chrono::steady_clock::time_point(
        std::chrono::steady_clock::duration(deadline_.load(std::memory_order_acquire))));
    const auto lost = sender_.stats().dropped_total() - before;
    if (lost == 0) return done();
    return fail(std::to_string(lost) + " records could not be delivered before the end");
}

void BatchSink::stop_by(std::chrono::steady_clock::time_point deadline) {
    deadline_.store(deadline.time_since_epoch().count(), std::memory_order_release);
    sender_.transport().stop_by(deadline);
}

SinkStats BatchSink::stats() const {
    SinkStats out;
    out.exported = sender_.stats();
    out.exported.written = written_;
    out.exported.skipped = skipped_;
    out.exported.pending += open_records_;
    out.records = written_;
    out.bytes = out.exported.delivered_bytes;
    out.failed_records = out.exported.dropped_total();
    out.errors = out.exported.failures;
    out.able = sender_.able();
    return out;
}

}  // namespace sonde
